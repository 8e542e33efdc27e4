// Locks and counters: exclusion, no lost wake, no lost permit. A lost wake is a deadlock, which the simulator reports.
#include "test/sim/seeds.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

using namespace std::chrono_literals;
using csp::testing::check;
using csp::testing::point;
using csp_test::on_seeds;

namespace {

constexpr std::uint64_t seeds = 10'000;

}  // namespace

TEST_CASE("sim, mutex: one is inside, whether it waited or tried") {
  on_seeds(seeds, [] {
    csp::mutex lock;
    int inside = 0;
    int entered = 0;
    const auto enter = [&] {
      check(++inside == 1, "alone");
      point();
      --inside;
      ++entered;
    };
    int refused = 0;
    csp::wait_group all;
    for (int i = 0; i < 4; ++i) {
      all.go([&, i] {
        for (int round = 0; round < 3; ++round) {
          if (i == 0 && !lock.try_lock()) {
            ++refused;
            csp::yield();
            continue;
          }
          if (i != 0) lock.lock();
          const std::lock_guard guard(lock, std::adopt_lock);
          enter();
        }
      });
    }
    all.wait();
    check(entered + refused == 12, "everybody came in or was told");
    check(lock.try_lock(), "it is free");
    lock.unlock();
  });
}

TEST_CASE("sim, condition: a bounded queue hands everything on") {
  on_seeds(seeds, [] {
    csp::mutex lock;
    csp::condition_variable room;
    csp::condition_variable items;
    std::deque<int> queue;
    int sum = 0;
    csp::wait_group all;
    for (int producer = 0; producer < 2; ++producer) {
      all.go([&] {
        for (int i = 1; i <= 3; ++i) {
          std::unique_lock guard(lock);
          room.wait(guard, [&] { return queue.empty(); });
          queue.push_back(i);
          items.notify_one();
        }
      });
      all.go([&] {
        for (int i = 1; i <= 3; ++i) {
          std::unique_lock guard(lock);
          items.wait(guard, [&] { return !queue.empty(); });
          sum += queue.front();
          queue.pop_front();
          room.notify_one();
        }
      });
    }
    all.wait();
    check(sum == 12 && queue.empty(), "all of it");
  });
}

TEST_CASE("sim, condition: a notification goes to a waiter that has not timed out") {
  on_seeds(seeds, [] {
    csp::mutex lock;
    csp::condition_variable changed;
    int notified = 0;
    int late = 0;
    csp::wait_group all;
    for (int i = 0; i < 2; ++i) {
      all.go([&, i] {
        std::unique_lock guard(lock);
        if (i == 0) {
          changed.wait_for(guard, 1ms) == std::cv_status::timeout ? ++late : ++notified;
        } else {
          changed.wait(guard);
          ++notified;
        }
      });
    }
    csp::sleep_for(1ms);
    changed.notify_one();
    csp::sleep_for(1ms);
    {
      const std::lock_guard guard(lock);
      check(notified + late >= 1, "somebody was woken");
      check(notified <= 1, "one at most");
    }
    changed.notify_one();
    all.wait();
    check(notified + late == 2 && notified >= 1, "each has one outcome");
  });
}

TEST_CASE("sim, semaphore: no more inside than permits, and all come back") {
  on_seeds(seeds, [] {
    csp::semaphore permits(2);
    int inside = 0;
    int timed_out = 0;
    int served = 0;
    csp::wait_group all;
    for (int i = 0; i < 5; ++i) {
      all.go([&, i] {
        if (i % 2 == 0) {
          permits.acquire();
        } else if (!permits.try_acquire_for(1ms)) {
          ++timed_out;
          return;
        }
        check(++inside <= 2, "two at most");
        if (i < 3) csp::sleep_for(1ms);
        point();
        --inside;
        ++served;
        permits.release();
      });
    }
    all.wait();
    check(served + timed_out == 5, "each has one outcome");
    check(permits.try_acquire() && permits.try_acquire() && !permits.try_acquire(), "two permits, as before");
  });
}

TEST_CASE("sim, wait_group and once: destroyed as soon as the wait is over") {
  on_seeds(seeds, [] {
    int runs = 0;
    for (int round = 0; round < 3; ++round) {
      const auto counted = std::make_shared<int>(0);
      auto first = std::make_unique<csp::once>();
      auto group = std::make_unique<csp::wait_group>(2);
      for (int i = 0; i < 2; ++i) {
        csp::go([&, counted, group = group.get(), first = first.get()] {
          first->call([&] {
            point();
            ++runs;
          });
          ++*counted;
          group->done();
        });
      }
      group->wait();
      group.reset();
      first.reset();
      check(*counted == 2, "both have been here");
    }
    check(runs == 3, "once is once");
  });
}
