// Sleeping, and waits with a limit: bounds, order and cancellation. Nothing is asserted about how late they may be;
// that they are never early is.
#include "test/support/topologies.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <thread>
#include <type_traits>

using namespace std::chrono_literals;
using csp_test::expectations;
using csp_test::on_each_topology;

static_assert(std::is_same_v<csp::clock::time_point, std::chrono::steady_clock::time_point>);
static_assert(csp::clock::is_steady);
// A time of the system's clock, which can be set, is not accepted.
template <class Time>
concept can_sleep_until = requires(Time time) {
  csp::sleep_until(time);
};
static_assert(can_sleep_until<std::chrono::steady_clock::time_point>);
static_assert(!can_sleep_until<std::chrono::system_clock::time_point>);

TEST_CASE("a sleeper is never early") {
  on_each_topology([](expectations& expect, unsigned) {
    csp::wait_group group;
    for (int i = 0; i < 40; ++i) {
      group.go([&, i] {
        const auto deadline = csp::clock::now() + std::chrono::microseconds(137 * i);
        csp::sleep_until(deadline);
        expect(csp::clock::now() >= deadline, "at its time or later");
        const auto start = csp::clock::now();
        csp::sleep_for(std::chrono::microseconds(59 * i));
        expect(csp::clock::now() - start >= std::chrono::microseconds(59 * i), "at least for its length");
      });
    }
    const auto in_thread = csp::blocking([] {
      const auto start = csp::clock::now();
      csp::sleep_for(3ms);
      return csp::clock::now() - start;
    });
    expect(in_thread >= 3ms, "a plain thread sleeps as well");
    group.wait();
  });
}

TEST_CASE("a wait is never shorter than its limit") {
  on_each_topology([](expectations& expect, unsigned) {
    const csp::chan<int> empty, unwanted;
    csp::semaphore taken(0);
    csp::wait_group group;
    const auto check = [&](std::chrono::nanoseconds limit, const auto& wait) {
      group.go([&expect, limit, wait] {
        const auto start = csp::clock::now();
        wait(limit);
        expect(csp::clock::now() - start >= limit, "at least for its limit");
      });
    };
    for (const auto around : {1ms, 99ms, 100ms, 130ms}) {
      for (int i = 0; i < 8; ++i) {
        const auto limit = around + std::chrono::microseconds(i * 137);
        check(limit, [&](auto most) {
          int value = 0;
          expect(empty.recv_for(value, most) == csp::op_status::timeout, "nothing was received");
        });
        check(limit,
              [&](auto most) { expect(unwanted.send_for(1, most) == csp::op_status::timeout, "nothing was sent"); });
        check(limit, [&](auto most) {
          expect(csp::select(csp::on_recv(empty), csp::on_timeout(most)) == 1, "nothing was selected");
        });
        check(limit, [&](auto most) { expect(!taken.try_acquire_for(most), "nothing was acquired"); });
      }
    }
    group.wait();
  });
}

TEST_CASE("a sleep of zero, less, or until the past lets others run and returns") {
  on_each_topology([](expectations& expect, unsigned processors) {
    const auto forms = {+[] { csp::sleep_for(0ns); },
                        +[] { csp::sleep_for(-1h); },
                        +[] { csp::sleep_for(std::chrono::nanoseconds::min()); },
                        +[] { csp::sleep_for(std::chrono::hours::min()); },
                        +[] { csp::sleep_until(csp::clock::now() - 1h); },
                        +[] { csp::sleep_until(csp::clock::time_point::min()); },
                        +[] { csp::sleep_until(csp::clock::time_point()); }};
    for (const auto form : forms) {
      std::atomic<bool> ran{false};
      csp::go([&] { ran.store(true); });
      form();
      expect(processors > 1 || ran.load(), "it is a yield");
      while (!ran.load()) {
        csp::yield();
      }
    }
    expect(csp::blocking([&] {
             for (const auto form : forms) {
               form();
             }
             return true;
           }),
           "in a plain thread too");
  });
}

TEST_CASE("a sleep without end is ended by cancellation") {
  on_each_topology([](expectations& expect, unsigned) {
    const auto forms = {+[] { csp::sleep_for(std::chrono::nanoseconds::max()); },
                        +[] { csp::sleep_for(std::chrono::hours::max()); },
                        +[] { csp::sleep_until(csp::clock::time_point::max()); },
                        +[] { csp::sleep_for(std::chrono::hours(24 * 365 * 200)); }, +[] { csp::sleep_for(1h); }};
    for (const auto form : forms) {
      std::atomic<bool> returned{false};
      auto sleeper = csp::spawn([&] {
        form();
        returned.store(true);
      });
      csp::sleep_for(1ms);
      sleeper.cancel();
      bool canceled = false;
      try {
        sleeper.join();
      } catch (const csp::canceled&) {
        canceled = true;
      }
      expect(canceled && !returned.load(), "the sleep threw");
    }
  });
}

TEST_CASE("sleepers of one processor wake in the order of their deadlines") {
  csp::options options;
  options.processors = 1;
  options.spares = 0;
  expectations expect;
  csp::run(options, [&] {
    constexpr std::size_t sleepers = 500;
    // Longer, if the machine was too slow to put all of them to sleep before the first deadline.
    bool in_time = false;
    for (auto lead = 20ms; !in_time && lead < 10s; lead *= 2) {
      const auto base = csp::clock::now() + lead;
      std::mutex lock;
      std::vector<std::size_t> woken;  // guarded by lock
      csp::clock::time_point last_to_bed;
      csp::wait_group group;
      for (std::size_t i = 0; i < sleepers; ++i) {
        // A permutation: 7 and 500 have no common factor.
        const std::size_t rank = i * 7 % sleepers;
        group.go([&, rank] {
          {
            const std::lock_guard held(lock);
            last_to_bed = csp::clock::now();
          }
          csp::sleep_until(base + std::chrono::microseconds(rank));
          const std::lock_guard held(lock);
          woken.push_back(rank);
        });
      }
      group.wait();
      expect(woken.size() == sleepers, "all woke");
      in_time = last_to_bed < base;
      expect(!in_time || std::is_sorted(woken.begin(), woken.end()), "the earliest first");
    }
    expect(in_time, "some round was in time");
  });
  expect.verify();
}

TEST_CASE("many sleepers that are cancelled, and others that are not") {
  on_each_topology([](expectations& expect, unsigned) {
    const std::size_t rounds = csp_test::scaled(40);
    for (std::size_t round = 0; round < rounds; ++round) {
      std::vector<csp::join_handle<int>> sleepers;
      for (int i = 0; i < 100; ++i) {
        // Timers in no order, so that they are taken out of the middle of the heap.
        sleepers.push_back(csp::spawn([i] {
          csp::sleep_for(i % 3 == 0 ? std::chrono::nanoseconds(1h) : std::chrono::nanoseconds((i * 37 % 100) * 10us));
          return i;
        }));
      }
      csp::yield();
      int canceled = 0;
      int sum = 0;
      for (std::size_t i = 0; i < sleepers.size(); i += 3) {
        sleepers[i].cancel();
      }
      for (auto& sleeper : sleepers) {
        try {
          sum += sleeper.join();
        } catch (const csp::canceled&) {
          ++canceled;
        }
      }
      expect(canceled == 34, "every third one");
      expect(sum == 4950 - 3 * (33 * 34 / 2), "the others slept well");
    }
  });
}
