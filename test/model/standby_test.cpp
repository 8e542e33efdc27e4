// The monitor that stands by: while a processor works, the sleep that processors move ends soon, and a ring is not
// lost. What processors and the monitor do here is what watcher does, with the shipped idle set; the kernel's timer is
// what it was told last.
#include "sched/standby.h"

#include "sched/base/timer_fd.h"

#include "test/model/model.h"
#include "test/support/catch.h"

#include <array>

namespace {

model::plain<csp::detail::nanos>* told = nullptr;

}  // namespace

namespace csp::inline v0::detail {

int open_timer_fd() noexcept { return 0; }
bool set_timer_fd(int, nanos at) noexcept {
  told->set(at);
  return true;
}
void sleep_on_timer_fd(int) noexcept {}
void close_timer_fd(int) noexcept {}

}  // namespace csp::inline v0::detail

namespace {

using namespace csp::detail;

constexpr unsigned processors = 2;
constexpr nanos now = 0;
constexpr nanos soon = 1'000'000;
constexpr nanos late = 100'000'000;

// A monitor and two processors that are parked.
class scheduler {
 public:
  scheduler() {
    told = &told_;
    standby_.open();
    for (idle_entry& each : parked_) {
      static_cast<void>(idle_.park(each, false));
    }
  }

  void go_to_work(unsigned at) {
    model::check(idle_.leave(parked_[at]), "it was not parked");
    standby_.watch_from(now);
  }
  void park(unsigned at) {
    static_cast<void>(idle_.park(parked_[at], false));
    full_fence();  // as every processor that parks
  }
  // `look`: at what tells how far.
  template <class Look>
  void park_and_put_off(unsigned at, Look look) {
    park(at);
    if (std::uint64_t departures = 0; idle_.are_parked(processors, departures)) {
      look();
      standby_.put_off(now, late, departures, idle_, processors);
    }
  }

  template <class Look>
  [[nodiscard]] bool stand_by(nanos until, Look look) {
    std::uint64_t departures = 0;
    if (!idle_.are_parked(processors, departures)) {
      return false;
    }
    look();
    return standby_.begin(until, departures, idle_, processors);
  }
  void watch(nanos until) {
    if (!stand_by(until, [] {})) {
      standby_.tick(soon);
    }
  }
  void ring() { standby_.ring(); }

  [[nodiscard]] nanos sleep_ends() { return told_.get(); }
  void expect_watched() { model::check(sleep_ends() <= now + standby::longest_unwatched, "nobody looks after it"); }

 private:
  idle_set idle_;
  std::array<idle_entry, processors> parked_;
  standby standby_;
  model::plain<nanos> told_;
};

// The monitor begins to stand by while a processor goes to work, and computes for ever.
struct begin_and_go {
  static constexpr unsigned threads = 2;
  scheduler all;

  void run(unsigned thread) { thread == 0 ? all.go_to_work(0) : all.watch(late); }
  void finish() { all.expect_watched(); }
};

// One parks as the last and puts the sleep off, while another one goes to work; `Wakes`: while the monitor wakes, too.
template <bool Wakes>
struct put_off_and_go {
  static constexpr unsigned threads = Wakes ? 3 : 2;
  scheduler all;

  put_off_and_go() {
    model::check(all.stand_by(soon, [] {}), "somebody is at work");
    all.go_to_work(1);
  }
  void run(unsigned thread) {
    if (thread == 0) {
      all.go_to_work(0);
    } else if (thread == 1) {
      all.park_and_put_off(1, [] {});
    } else {
      all.watch(late);
    }
  }
  void finish() { all.expect_watched(); }
};

// One parks as the last and puts the sleep off as far as the other one's work allowed, which works again meanwhile.
struct put_off_and_change {
  static constexpr unsigned threads = 2;
  scheduler all;
  atomic<bool> changed{false};
  bool seen = false;

  put_off_and_change() {
    model::check(all.stand_by(soon, [] {}), "somebody is at work");
    all.go_to_work(1);
  }
  void run(unsigned thread) {
    if (thread == 0) {
      all.go_to_work(0);
      changed.store(true, std::memory_order_relaxed);
      all.park(0);
    } else {
      all.park_and_put_off(1, [this] { seen = changed.load(std::memory_order_relaxed); });
    }
  }
  void finish() { model::check(seen || all.sleep_ends() <= soon, "it sleeps for what was so before"); }
};

// The monitor stands by as far as the processors' work allowed, of which one works again meanwhile.
struct begin_and_change {
  static constexpr unsigned threads = 2;
  scheduler all;
  atomic<bool> changed{false};
  bool seen = false;
  bool stands_by = false;

  void run(unsigned thread) {
    if (thread == 0) {
      all.go_to_work(0);
      changed.store(true, std::memory_order_relaxed);
      all.park(0);
    } else {
      stands_by = all.stand_by(late, [this] { seen = changed.load(std::memory_order_relaxed); });
    }
  }
  void finish() { model::check(seen || !stands_by || all.sleep_ends() <= soon, "it sleeps for what was so before"); }
};

// Somebody rings while the last to park puts the sleep off.
struct put_off_and_ring {
  static constexpr unsigned threads = 2;
  scheduler all;

  put_off_and_ring() {
    model::check(all.stand_by(soon, [] {}), "somebody is at work");
    all.go_to_work(1);
  }
  void run(unsigned thread) {
    thread == 0 ? all.ring() : all.park_and_put_off(1, [] {});
  }
  void finish() { model::check(all.sleep_ends() <= now, "the ring is lost"); }
};

// Somebody rings for what it has set while the monitor is about to sleep.
struct begin_and_ring {
  static constexpr unsigned threads = 2;
  scheduler all;
  atomic<bool> done{false};
  bool sleeps = false;

  void run(unsigned thread) {
    if (thread == 0) {
      done.store(true, std::memory_order_release);
      all.ring();
    } else {
      all.watch(late);
      sleeps = !done.load(std::memory_order_acquire);
    }
  }
  void finish() { model::check(!sleeps || all.sleep_ends() <= now, "the monitor sleeps over what it was told"); }
};

}  // namespace

TEST_CASE("standby: whoever works is looked after, and no ring is lost") {
  CHECK(model::passes<begin_and_go>("standby: one goes to work while the monitor begins"));
  CHECK(model::passes<put_off_and_go<false>>("standby: one parks and puts off, another goes to work"));
  CHECK(
      model::passes<put_off_and_go<true>>("standby: one parks and puts off, another goes to work, the monitor wakes"));
  CHECK(model::passes<put_off_and_change>("standby: one parks and puts off, another goes to work and parks again"));
  CHECK(model::passes<begin_and_change>("standby: one goes to work and parks again while the monitor begins"));
  CHECK(model::passes<put_off_and_ring>("standby: one parks and puts off, somebody rings"));
  CHECK(model::passes<begin_and_ring>("standby: somebody rings while the monitor begins"));
}

TEST_CASE("standby: mutants are caught") {
  using model::mistake;
  constexpr const char* source = "sched/standby.cpp";
  CHECK(model::catches<begin_and_go>("standby", {source, "full_fence();", mistake::relax, 1}));
  CHECK(model::catches<put_off_and_go<false>>("standby", {source, "full_fence();", mistake::relax, 2}));
  CHECK(model::catches<begin_and_go>("standby",
                                     {source, "if (at_.load(std::memory_order_seq_cst) > now", mistake::relax}));
  CHECK(model::catches<put_off_and_go<false>>(
      "standby", {source, "if (at_.load(std::memory_order_seq_cst) > now", mistake::relax}));
  // The lock, where the time is read before it is set, and where the kernel is told.
  CHECK(model::catches<put_off_and_ring>("standby",
                                         {source, "const thread_mutex_guard guard(lock_);", mistake::omit, 6}));
  CHECK(
      model::catches<begin_and_ring>("standby", {source, "const thread_mutex_guard guard(lock_);", mistake::omit, 4}));
}
