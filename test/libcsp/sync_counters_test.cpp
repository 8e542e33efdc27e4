// csp::semaphore and csp::wait_group, from tasks and plain threads.
#include <libcsp/csp.h>

#include "test/libcsp/sync_support.h"
#include "test/support/topologies.h"

#include <chrono>
#include <thread>

using namespace std::chrono_literals;
using csp_test::expectations;
using csp_test::on_each_topology;

TEST_CASE("a semaphore lets as many in as it has permits") {
  on_each_topology([](expectations& expect, unsigned) {
    constexpr int permits = 3;
    csp::semaphore gate(permits);
    std::atomic<int> inside{0};
    std::atomic<int> most{0};
    std::atomic<std::size_t> passes{0};
    const std::size_t rounds = csp_test::scaled(20'000);
    const auto pass = [&](std::size_t count) {
      for (std::size_t i = 0; i < count; ++i) {
        switch (i % 3) {
          case 0:
            gate.acquire();
            break;
          case 1:
            while (!gate.try_acquire_for(50us)) {
            }
            break;
          default:
            while (!gate.try_acquire()) {
              csp::yield();
            }
            break;
        }
        const int now = inside.fetch_add(1) + 1;
        expect(now <= permits, "no more than the permits");
        for (int seen = most.load(); seen < now && !most.compare_exchange_weak(seen, now);) {
        }
        while (i == 0 && most.load() < permits) {  // the first ones stay until all permits are out
          csp::yield();
        }
        if (i % 16 == 0) {
          csp::yield();
        }
        passes.fetch_add(1);
        inside.fetch_sub(1);
        gate.release();
      }
    };
    csp::wait_group group;
    for (int i = 0; i < 8; ++i) {
      group.go([&] { pass(rounds); });
    }
    std::thread outside([&] { pass(rounds / 10); });
    group.wait();
    csp::blocking([&] { outside.join(); });
    expect(passes.load() == 8 * rounds + rounds / 10, "everybody came through");
    expect(most.load() == permits, "all permits were out at some time");
    for (int i = 0; i < permits; ++i) {
      expect(gate.try_acquire(), "all permits are back");
    }
    expect(!gate.try_acquire(), "and not one more");
  });
}

TEST_CASE("semaphore permits go to waiters in order, and release(n) serves n") {
  on_each_topology([](expectations& expect, unsigned) {
    csp::semaphore permits(0);
    const csp::chan<int> order(8);
    csp::wait_group group;
    for (int i = 0; i < 5; ++i) {
      group.go([&, i] {
        permits.acquire();
        order.send(i);
      });
      csp_test::until_waiting("semaphore acquire", static_cast<std::size_t>(i) + 1);
    }
    permits.release();
    expect(order.recv() == 0, "the first one");
    permits.release();
    expect(order.recv() == 1, "the second one");
    permits.release(0);
    csp_test::until_waiting("semaphore acquire", 3);
    permits.release(5);
    group.wait();
    expect(order.size() == 3, "the rest");
    expect(permits.try_acquire() && permits.try_acquire() && !permits.try_acquire(), "two permits were left over");
  });
}

TEST_CASE("timed and cancelled waits on a semaphore") {
  on_each_topology([](expectations& expect, unsigned) {
    csp::semaphore permits(0);
    const auto try_all = [&] {
      const auto start = csp::clock::now();
      expect(!permits.try_acquire_for(2ms), "nobody releases");
      expect(csp::clock::now() - start >= 2ms, "not before its time");
      expect(!permits.try_acquire_for(0ms) && !permits.try_acquire_for(-1h), "one attempt");
      expect(!permits.try_acquire_until(csp::clock::now() - 1h), "past");
      permits.release();
      expect(permits.try_acquire_until(csp::clock::now() - 1h), "a permit that is there is taken, also late");
    };
    try_all();
    csp::blocking(try_all);
    for (const bool timed : {false, true}) {
      auto waiter = csp::spawn([&] {
        if (timed) {
          return permits.try_acquire_for(std::chrono::nanoseconds::max());
        }
        permits.acquire();
        return true;
      });
      csp_test::until_waiting("semaphore acquire", 1);
      waiter.cancel();
      const bool canceled = csp_test::is_canceled([&] { waiter.join(); });
      expect(canceled, "the wait threw");
      permits.release();
      expect(permits.try_acquire(), "the one who was cancelled took nothing");
    }
  });
}

TEST_CASE("wait_group waits for tasks and threads") {
  on_each_topology([](expectations& expect, unsigned) {
    const std::size_t rounds = csp_test::scaled(2'000);
    csp::wait_group group;
    for (std::size_t round = 0; round < rounds; ++round) {
      std::atomic<int> done{0};
      for (int i = 0; i < 5; ++i) {
        group.go([&, i] {
          if (i % 2 == 0) {
            csp::yield();
          }
          done.fetch_add(1);
        });
      }
      std::thread outside;
      if (round % 50 == 0) {
        group.add();
        outside = std::thread([&] {
          done.fetch_add(1);
          group.done();
        });
      }
      auto other_waiter = csp::spawn([&] {
        group.wait();
        return done.load();
      });
      group.wait();
      const int wanted = outside.joinable() ? 6 : 5;
      expect(done.load() == wanted, "all were waited for");
      expect(other_waiter.join() == wanted, "by every waiter");
      if (outside.joinable()) {
        csp::blocking([&] { outside.join(); });
      }
    }
    group.wait();
    expect(group.wait_for(0ms), "at zero there is nothing to wait for");
  });
}

TEST_CASE("a plain thread waits for a group") {
  on_each_topology([](expectations& expect, unsigned) {
    csp::wait_group group(1);
    std::atomic<bool> done{false};
    std::atomic<bool> seen{false};
    std::thread outside([&] {
      group.wait();
      seen.store(done.load());
    });
    expect(!csp::blocking([&] { return group.wait_for(1ms); }), "not yet");
    done.store(true);
    group.done();
    csp::blocking([&] { outside.join(); });
    expect(seen.load(), "woken after done");
  });
}

TEST_CASE("timed and cancelled waits on a group, and a task that ends by an exception") {
  on_each_topology([](expectations& expect, unsigned) {
    csp::wait_group group(1);
    expect(!group.wait_for(1ms) && !group.wait_for(0ms) && !group.wait_for(-1s), "it stands at one");
    auto waiter = csp::spawn([&] { group.wait(); });
    csp_test::until_waiting("wait group", 1);
    waiter.cancel();
    const bool canceled = csp_test::is_canceled([&] { waiter.join(); });
    expect(canceled, "the wait threw");
    group.go([] { throw csp::canceled(); });
    group.done();
    group.wait();
    expect(group.wait_for(1h), "an exception counts as done");
  });
}
