// Timers: each one that is armed fires or is disarmed, never both; when that is over nobody touches it any more; and
// what is said to be the earliest is so.
#include "sched/timer_heap.h"

#include "test/model/model.h"
#include "test/support/catch.h"

namespace {

using namespace csp::detail;

// A timer with a callback, in memory that dies with it.
struct alarm : timer {
  model::plain<int> prepared;
  model::plain<int> fired;

  explicit alarm(nanos due) {
    when = due;
    fire = [](timer& self, nanos) noexcept {
      auto& here = static_cast<alarm&>(self);
      model::check(here.prepared.get() == 1, "an alarm that is not ready");
      here.fired.set(here.fired.get() + 1);
      here.done.store(true, std::memory_order_release);
    };
  }
  atomic<bool> done{false};
};

// Armed by one, fired by another, disarmed by the first.
struct fire_or_disarm {
  static constexpr unsigned threads = 2;
  timer_heap heap;
  alignas(alarm) std::byte memory[sizeof(alarm)];
  alarm& item = *::new (static_cast<void*>(memory)) alarm(5);
  alarm other{7};

  void run(unsigned thread) {
    if (thread == 1) {
      static_cast<void>(heap.fire_due(6, 2));
      return;
    }
    item.prepared.set(1);
    static_cast<void>(heap.arm(other));
    model::check(heap.arm(item), "the earliest timer was not told so");
    if (heap.disarm(item)) {
      model::check(item.fired.get() == 0, "disarmed, and fired");
      item.~alarm();
      return;
    }
    while (!item.done.load(std::memory_order_acquire)) {
      cpu_relax();
    }
    model::check(item.fired.get() == 1, "neither fired nor disarmed");
    item.~alarm();
  }
  void finish() { model::check(heap.earliest() == 7, "the earliest time is not told"); }
};

// A thief fires while the owner arms: whoever comes second sees the first.
struct two_arm {
  static constexpr unsigned threads = 3;
  timer_heap heap;
  alarm first{5};
  alarm second{6};
  atomic<std::uint32_t> fired{0};

  void run(unsigned thread) {
    if (thread == 2) {
      fired.fetch_add(heap.fire_due(10, 2), std::memory_order_relaxed);
      return;
    }
    alarm& mine = thread == 0 ? first : second;
    mine.prepared.set(1);
    static_cast<void>(heap.arm(mine));
  }
  void finish() {
    const std::uint32_t left = heap.fire_due(10, 2);
    model::check(fired.load() + left == 2, "a timer is lost");
    model::check(first.fired.get() == 1 && second.fired.get() == 1, "a timer fires twice");
    model::check(heap.earliest() == never, "the earliest time is not told");
  }
};

}  // namespace

TEST_CASE("timer_heap: fired or disarmed, and the earliest is told") {
  CHECK(model::passes<fire_or_disarm>("timer_heap: fired or disarmed"));
  CHECK(model::passes<two_arm>("timer_heap: armed by two, fired by a third"));
}

TEST_CASE("timer_heap: mutants are caught") {
  using model::mistake;
  constexpr const char* source = "sched/timer_heap.cpp";
  constexpr const char* lock = "sched/base/spinlock.h";
  CHECK(model::catches<fire_or_disarm>("timer_heap",
                                       {source, "item.armed.store(false, std::memory_order_release);", mistake::omit}));
  CHECK(model::catches<fire_or_disarm>("timer_heap",
                                       {source, "item.armed.store(true, std::memory_order_relaxed);", mistake::omit}));
  CHECK(model::catches<fire_or_disarm>("timer_heap", {source, "earliest_.store(std::min(", mistake::omit}));
  CHECK(model::catches<two_arm>("timer_heap", {lock, "word->store(0, std::memory_order_release);", mistake::relax}));
}
