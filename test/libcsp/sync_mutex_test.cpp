// csp::mutex and csp::once, from tasks and plain threads.
#include <libcsp/csp.h>

#include "test/libcsp/sync_support.h"
#include "test/support/topologies.h"

#include <mutex>
#include <stdexcept>

using csp_test::expectations;
using csp_test::on_each_topology;

TEST_CASE("a mutex excludes tasks and threads from each other") {
  on_each_topology([](expectations& expect, unsigned) {
    csp::mutex lock;
    long counter = 0;  // guarded by lock
    int inside = 0;    // guarded by lock
    const std::size_t rounds = csp_test::scaled(20'000);
    csp_test::run_mixed(6, 2, [&](int who) {
      const std::size_t mine = who < 6 ? rounds : rounds / 10;
      for (std::size_t i = 0; i < mine; ++i) {
        const std::lock_guard held(lock);
        expect(++inside == 1, "one at a time");
        ++counter;
        if (i % 64 == 0) {
          csp::yield();  // also while others run and come to wait
        }
        --inside;
      }
    });
    expect(counter == static_cast<long>(6 * rounds + 2 * (rounds / 10)), "no turn was lost");
  });
}

TEST_CASE("try_lock takes a free mutex only") {
  on_each_topology([](expectations& expect, unsigned) {
    csp::mutex lock;
    expect(lock.try_lock(), "free");
    expect(!lock.try_lock(), "not recursive");
    auto other = csp::spawn([&] { return lock.try_lock(); });
    expect(!other.join(), "held by another task");
    expect(!csp::blocking([&] { return lock.try_lock(); }), "held, as a plain thread sees it");
    lock.unlock();
    expect(csp::blocking([&] {
             const bool taken = lock.try_lock();
             lock.unlock();
             return taken;
           }),
           "free for a thread");
    expect(lock.try_lock(), "free again");
    lock.unlock();
  });
}

TEST_CASE("a waiter is not passed over for ever") {
  on_each_topology([](expectations& expect, unsigned) {
    csp::mutex lock;
    std::atomic<bool> served{false};
    lock.lock();
    auto waiter = csp::spawn([&] {
      const std::lock_guard held(lock);
      served.store(true);
    });
    csp::yield();
    // Takes the mutex again and again, always before the woken waiter can. Bounded, or the test would hang.
    std::size_t bypassed = 0;
    while (!served.load() && bypassed < 1'000'000) {
      csp::yield();
      lock.unlock();
      lock.lock();
      ++bypassed;
    }
    expect(served.load(), "the waiter had its turn");
    lock.unlock();
    waiter.join();
  });
}

TEST_CASE("mutex waiters are served in their order") {
  on_each_topology([](expectations& expect, unsigned) {
    csp::mutex lock;
    std::vector<int> order;  // guarded by lock
    csp::wait_group group;
    lock.lock();
    for (int i = 0; i < 10; ++i) {
      group.go([&, i] {
        const std::lock_guard held(lock);
        order.push_back(i);
      });
      csp_test::until_waiting("mutex lock", static_cast<std::size_t>(i) + 1);
    }
    lock.unlock();
    group.wait();
    expect(order == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, "first come, first served");
  });
}

TEST_CASE("mutex waiters behind one that was woken are not forgotten while the mutex is used on") {
  on_each_topology([](expectations& expect, unsigned) {
    csp::mutex lock;
    int turns = 0;  // guarded by lock
    csp::wait_group group;
    lock.lock();
    for (int i = 0; i < 3; ++i) {
      group.go([&] {
        const std::lock_guard held(lock);
        ++turns;
      });
      csp_test::until_waiting("mutex lock", static_cast<std::size_t>(i) + 1);
    }
    lock.unlock();
    // Without a switch, and more often than an unlock looks at the queue after somebody has come to wait.
    for (int i = 0; i < 10'000; ++i) {
      if (lock.try_lock()) lock.unlock();
    }
    group.wait();
    expect(turns == 3, "each had its turn");
  });
}

TEST_CASE("mutex::lock is not a cancellation point") {
  on_each_topology([](expectations& expect, unsigned) {
    csp::mutex lock;
    lock.lock();
    std::atomic<bool> entered{false};
    auto waiter = csp::spawn([&] {
      entered.store(true);
      lock.lock();
      lock.unlock();
      csp::yield();  // here it ends
      return true;
    });
    while (!entered.load()) {
      csp::yield();
    }
    waiter.cancel();
    csp::yield();
    lock.unlock();
    expect(csp_test::is_canceled([&] { waiter.join(); }), "the point after the lock throws");
    expect(lock.try_lock(), "the lock was given back");
    lock.unlock();
  });
}

TEST_CASE("once runs one call, and the others see what it did") {
  on_each_topology([](expectations& expect, unsigned) {
    const std::size_t rounds = csp_test::scaled(300);
    for (std::size_t round = 0; round < rounds; ++round) {
      csp::once once;
      int calls = 0;  // written in the call only
      csp_test::run_mixed(6, round % 16 == 0 ? 2 : 0, [&](int) {
        once.call([&] {
          csp::yield();
          ++calls;
        });
        expect(calls == 1, "it is done when call returns");
      });
      once.call([&] { ++calls; });
      expect(calls == 1, "and never again");
    }
  });
}

TEST_CASE("once tries again after an exception") {
  on_each_topology([](expectations& expect, unsigned) {
    csp::once once;
    std::atomic<int> tries{0};
    std::atomic<int> failures{0};
    std::atomic<bool> done{false};
    csp_test::run_mixed(6, 1, [&](int) {
      try {
        once.call([&] {
          csp::yield();
          if (tries.fetch_add(1) < 3) {
            throw std::runtime_error("not yet");
          }
          done.store(true);
        });
        expect(done.load(), "a call that returns has seen a success");
      } catch (const std::runtime_error&) {
        failures.fetch_add(1);
      }
    });
    expect(tries.load() == 4, "three failures and one success");
    expect(failures.load() == 3, "each failure went to its own caller");
  });
}
