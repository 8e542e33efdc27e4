// The spinlock: one at a time, what the last holder wrote is seen, and who sleeps on it is woken.
#include "sched/base/spinlock.h"

#include "test/model/model.h"
#include "test/support/catch.h"

namespace {

using csp::detail::lock_rank;
using csp::detail::spinlock;
using csp::detail::spinlock_guard;

template <unsigned Threads, unsigned Rounds = 1>
struct counter {
  static constexpr unsigned threads = Threads;
  spinlock lock{lock_rank::channel};
  model::plain<unsigned> count;

  void run(unsigned) {
    for (unsigned i = 0; i < Rounds; ++i) {
      const spinlock_guard guard(lock);
      count.set(count.get() + 1);
    }
  }
  void finish() { model::check(count.get() == Threads * Rounds, "a turn is lost"); }
};

// As counter, by those who do not wait.
struct trying {
  static constexpr unsigned threads = 2;
  spinlock lock{lock_rank::channel};
  model::plain<unsigned> count;
  unsigned turns = 0;

  void run(unsigned thread) {
    const bool got = thread == 0 ? lock.try_lock() : lock.try_lock_as(thread + 1) == 0;
    if (!got) {
      if (thread == 0) {
        return;
      }
      lock.lock(thread + 1);  // its try has marked the lock as taken
    }
    ++turns;
    count.set(count.get() + 1);
    lock.unlock();
  }
  void finish() { model::check(count.get() == turns && turns >= 1, "a turn is lost"); }
};

// The lock's memory dies as soon as the other side knows that it was unlocked.
struct last_unlock {
  static constexpr unsigned threads = 2;
  struct mortal {
    spinlock lock{lock_rank::channel};
    bool done = false;  // guarded by lock
  };
  alignas(mortal) std::byte place[sizeof(mortal)];
  mortal* object = ::new (static_cast<void*>(place)) mortal;

  void run(unsigned thread) {
    if (thread == 0) {
      object->lock.lock();
      object->done = true;
      object->lock.unlock();
      return;
    }
    object->lock.lock();
    const bool last = object->done;
    object->lock.unlock();
    if (last) {
      object->~mortal();
    }
  }
  void finish() {}
};

}  // namespace

TEST_CASE("spinlock: one holder at a time, and no sleeper is forgotten") {
  CHECK(model::passes<counter<2>>("spinlock: two threads"));
  CHECK(model::passes<counter<2, 2>>("spinlock: two threads, twice"));
  CHECK(model::passes<counter<3>>("spinlock: three threads"));
  CHECK(model::passes<trying>("spinlock: tried, not waited for"));
  CHECK(model::passes<last_unlock>("spinlock: its memory dies after the last unlock"));
}

TEST_CASE("spinlock: mutants are caught") {
  using model::mistake;
  constexpr const char* file = "sched/base/spinlock.h";
  CHECK(model::catches<counter<2>>("spinlock", {file, "word->store(0, std::memory_order_release);", mistake::relax}));
  CHECK(model::catches<counter<2>>("spinlock", {file, "word->store(0, std::memory_order_release);", mistake::delay}));
  CHECK(model::catches<counter<2>>("spinlock", {file, "asymmetric_fence::light();", mistake::relax}));
  CHECK(model::catches<counter<2>>("spinlock",
                                   {file, "if (word_.exchange(who, std::memory_order_acquire) != 0)", mistake::relax}));
  CHECK(model::catches<counter<2>>("spinlock",
                                   {file, "if (word_.exchange(who, std::memory_order_acquire) != 0)", mistake::tear}));
  CHECK(model::catches<trying>("spinlock",
                               {file, "word_.exchange(anonymous, std::memory_order_acquire) != 0", mistake::tear}));
  constexpr const char* slow = "sched/base/spinlock.cpp";
  CHECK(model::catches<counter<2>>("spinlock", {slow, "asymmetric_fence::heavy();", mistake::relax}));
  CHECK(model::catches<counter<2>>(
      "spinlock", {slow, "while (word_.exchange(who, std::memory_order_acquire) != 0)", mistake::relax}));
  CHECK(model::catches<counter<2>>("spinlock", {slow, "  sleepers.fetch_add(1", mistake::omit}));
  CHECK(model::catches<counter<2>>("spinlock", {slow, "all_sleepers_.sleepers.fetch_add(1", mistake::omit}));
}
