// csp::condition_variable: notification, timed and cancelled waits, from tasks and plain threads.
#include <libcsp/csp.h>

#include "test/libcsp/sync_support.h"
#include "test/support/topologies.h"

#include <chrono>
#include <deque>
#include <mutex>
#include <thread>

using namespace std::chrono_literals;
using csp_test::expectations;
using csp_test::on_each_topology;

namespace {

void until_waiting(std::size_t count) { csp_test::until_waiting("condition wait", count); }

}  // namespace

TEST_CASE("a bounded buffer of mutex and condition variables, tasks and threads on both sides") {
  on_each_topology([](expectations& expect, unsigned) {
    csp::mutex lock;
    csp::condition_variable not_empty;
    csp::condition_variable not_full;
    std::deque<long> items;  // guarded by lock, as all below
    bool over = false;
    long taken = 0;
    long sum = 0;
    constexpr std::size_t room = 3;
    const long share = static_cast<long>(csp_test::scaled(10'000));
    const auto produce = [&](long from, long count) {
      for (long i = 0; i < count; ++i) {
        std::unique_lock held(lock);
        not_full.wait(held, [&] { return items.size() < room; });
        items.push_back(from + i);
        held.unlock();
        not_empty.notify_one();
      }
    };
    const auto consume = [&] {
      std::unique_lock held(lock);
      for (;;) {
        not_empty.wait(held, [&] { return !items.empty() || over; });
        if (items.empty()) {
          return;
        }
        sum += items.front();
        ++taken;
        items.pop_front();
        not_full.notify_one();
      }
    };
    csp::wait_group producers;
    csp::wait_group consumers;
    for (long i = 0; i < 4; ++i) {
      producers.go([&, i] { produce(i * share, share); });
      consumers.go(consume);
    }
    std::thread outside_producer([&] { produce(4 * share, share / 10); });
    std::thread outside_consumer(consume);
    producers.wait();
    csp::blocking([&] { outside_producer.join(); });
    {
      const std::lock_guard held(lock);
      over = true;
    }
    not_empty.notify_all();
    consumers.wait();
    csp::blocking([&] { outside_consumer.join(); });
    const long count = 4 * share + share / 10;
    expect(taken == count, "every item was taken once");
    expect(sum == count * (count - 1) / 2, "and none was changed");
  });
}

TEST_CASE("notify_one wakes one, in order; notify_all wakes all") {
  on_each_topology([](expectations& expect, unsigned) {
    csp::mutex lock;
    csp::condition_variable changed;
    std::vector<int> order;  // guarded by lock
    csp::wait_group group;
    for (int i = 0; i < 6; ++i) {
      group.go([&, i] {
        std::unique_lock held(lock);
        changed.wait(held);
        order.push_back(i);
      });
      until_waiting(static_cast<std::size_t>(i) + 1);
    }
    for (std::size_t i = 1; i <= 3; ++i) {
      changed.notify_one();
      until_waiting(6 - i);
      for (bool seen = false; !seen;) {
        csp::yield();
        const std::lock_guard held(lock);
        seen = order.size() == i;
      }
    }
    {
      const std::lock_guard held(lock);
      expect(order == std::vector<int>{0, 1, 2}, "the first waiter first, one at a time");
    }
    changed.notify_all();
    group.wait();
    expect(order.size() == 6, "all the rest");
    changed.notify_one();  // to nobody: is not kept
    std::unique_lock held(lock);
    expect(changed.wait_for(held, 1ms) == std::cv_status::timeout, "a notification without a waiter is lost");
  });
}

TEST_CASE("timed waits on a condition") {
  on_each_topology([](expectations& expect, unsigned) {
    csp::mutex lock;
    csp::condition_variable changed;
    const auto try_all = [&] {
      std::unique_lock held(lock);
      const auto start = csp::clock::now();
      expect(changed.wait_for(held, 2ms) == std::cv_status::timeout, "nobody notifies");
      expect(csp::clock::now() - start >= 2ms, "not before its time");
      expect(held.owns_lock(), "locked again");
      expect(changed.wait_for(held, 0ms) == std::cv_status::timeout, "zero");
      expect(changed.wait_for(held, -5ms) == std::cv_status::timeout, "less than zero");
      expect(changed.wait_until(held, csp::clock::now() - 1h) == std::cv_status::timeout, "past");
      expect(!changed.wait_for(held, 1ms, [] { return false; }), "the predicate's last value");
      expect(changed.wait_for(held, 0ms, [] { return true; }), "the predicate holds at once");
      expect(changed.wait_until(held, csp::clock::now() + 1h, [] { return true; }), "nor is there a wait");
    };
    try_all();
    csp::blocking(try_all);
    bool ready = false;  // guarded by lock
    auto waiter = csp::spawn([&] {
      std::unique_lock held(lock);
      return changed.wait_for(held, std::chrono::hours::max(), [&] { return ready; });
    });
    until_waiting(1);
    {
      const std::lock_guard held(lock);
      ready = true;
    }
    changed.notify_all();
    expect(waiter.join(), "notified long before its time");
  });
}

TEST_CASE("a cancelled wait on a condition throws with the mutex locked") {
  on_each_topology([](expectations& expect, unsigned) {
    csp::mutex lock;
    csp::condition_variable changed;
    for (const bool timed : {false, true}) {
      std::atomic<bool> thrown{false};
      auto waiter = csp::spawn([&] {
        std::unique_lock held(lock);
        try {
          if (timed) {
            changed.wait_for(held, 1h);
          } else {
            changed.wait(held);
          }
          expect(false, "nobody notifies");
        } catch (const csp::canceled&) {
          expect(held.owns_lock(), "the lock is held");
          expect(!lock.try_lock(), "really");
          thrown.store(true);
          throw;
        }
      });
      until_waiting(1);
      // The canceller holds the mutex: the throw has to wait for it.
      lock.lock();
      waiter.cancel();
      for (int i = 0; i < 100; ++i) {
        csp::yield();
      }
      expect(!thrown.load(), "not before the mutex is free");
      lock.unlock();
      const bool canceled = csp_test::is_canceled([&] { waiter.join(); });
      expect(canceled && thrown.load(), "canceled reaches the joiner");
      expect(lock.try_lock(), "the mutex was unlocked on the way out");
      lock.unlock();
    }
  });
}

TEST_CASE("a cancelled waiter is not counted by notify_one") {
  on_each_topology([](expectations& expect, unsigned) {
    csp::mutex lock;
    csp::condition_variable changed;
    std::atomic<int> woken{0};
    const auto wait = [&] {
      std::unique_lock held(lock);
      changed.wait(held);
      woken.fetch_add(1);
    };
    auto first = csp::spawn(wait);
    until_waiting(1);
    auto second = csp::spawn(wait);
    until_waiting(2);
    first.cancel();
    const bool canceled = csp_test::is_canceled([&] { first.join(); });
    changed.notify_one();
    second.join();
    expect(canceled && woken.load() == 1, "the notification went to the one who waits");
  });
}
