// A timer that is due fires although its processor is stuck in a computation, or a flood of tasks is ready. Counts and
// orders are asserted, and times only where a failure would be a hang otherwise.
#include "test/support/topologies.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

using namespace std::chrono_literals;
using csp_test::expectations;

namespace {

// Computes, without a look at libcsp, until `flag` is raised; false after a time that only a hang takes.
bool compute_until(const std::atomic<bool>& flag) {
  const auto start = csp::clock::now();
  while (!flag.load()) {
    if (csp::clock::now() - start > 20s) {
      return false;
    }
  }
  return true;
}

csp::options with(unsigned processors, unsigned spares) {
  csp::options result;
  result.processors = processors;
  result.spares = spares;
  return result;
}

}  // namespace

TEST_CASE("the timers of a processor that computes fire elsewhere") {
  // The last one has no second processor: a spare takes over.
  for (const csp::options& options : {with(2, 0), with(4, 0), with(8, 4), with(1, 1)}) {
    CAPTURE(options.processors, options.spares);
    expectations expect;
    csp::run(options, [&] {
      for (int round = 0; round < 5; ++round) {
        std::atomic<bool> rung{false};
        std::atomic<bool> slept{false};
        csp::go([&] {
          csp::sleep_for(3ms);
          slept.store(true);
        });
        // Pinned: its processor, which also has the alarm's timer, does nothing else.
        auto stuck = csp::spawn({.name = "stuck", .pinned = true}, [&] {
          const auto alarm = csp::after(3ms);
          csp::go([&rung, alarm] {
            static_cast<void>(alarm.recv());
            rung.store(true);
          });
          return compute_until(rung) && compute_until(slept);
        });
        expect(stuck.join(), "the alarm rang while its processor computed");
      }
    });
    expect.verify();
  }
}

TEST_CASE("a flood of ready tasks does not hold up a due timer") {
  for (const unsigned processors : {1U, 2U}) {
    CAPTURE(processors);
    expectations expect;
    csp::run(with(processors, 0), [&] {
      // One round through all of them takes some 20 ms on one processor.
      constexpr int tasks = 2'000;
      constexpr auto work = 10us;
      std::atomic<bool> over{false};
      std::atomic<std::uint64_t> turns{0};
      csp::wait_group group;
      for (int i = 0; i < tasks; ++i) {
        group.go([&] {
          while (!over.load(std::memory_order_relaxed)) {
            turns.fetch_add(1, std::memory_order_relaxed);
            for (const auto start = csp::clock::now(); csp::clock::now() - start < work;) {
            }
            csp::yield();
          }
        });
      }
      auto sleeper = csp::spawn([&] {
        // Turns that others had between the deadline and the sleeper; the best of some, against a noisy machine.
        std::uint64_t best = ~std::uint64_t{0};
        for (int i = 0; i < 20; ++i) {
          const std::uint64_t before = turns.load();
          const auto start = csp::clock::now();
          csp::sleep_for(2ms);
          const auto late = csp::clock::now() - start - 2ms;
          const std::uint64_t during = turns.load() - before;
          const auto most_in_time = static_cast<std::uint64_t>(processors * (2ms / work));
          best = std::min(best, during > most_in_time ? during - most_in_time : 0);
          static_cast<void>(late);
        }
        over.store(true);
        return best;
      });
      // 5 ms of work at the most, on each processor.
      expect(sleeper.join() <= static_cast<std::uint64_t>(processors * (5ms / work)),
             "less than 5 ms of other tasks' work came before the sleeper");
      group.wait();
    });
    expect.verify();
  }
}

// Where timers are dense, processors sleep between them without being parked.
TEST_CASE("among dense timers come events, values from a plain thread and pinned tasks") {
  csp_test::on_each_topology([](expectations& expect, unsigned) {
    constexpr int sleepers = 200;
    constexpr int naps = 20;
    constexpr int events = 100;
    constexpr int pinned_rounds = 100;
    std::array<int, 2> ends{};
    expect(::pipe2(ends.data(), O_CLOEXEC) == 0, "a pipe");

    csp::wait_group group;
    std::atomic<int> slept{0};
    for (int i = 0; i < sleepers; ++i) {
      group.go([&, i] {
        for (int nap = 0; nap < naps; ++nap) {
          csp::sleep_for(std::chrono::microseconds(300 + (i * 7 + nap * 13) % 1000));
          slept.fetch_add(1);
        }
      });
    }
    const csp::chan<int> outside;
    std::thread plain([&] {
      for (int i = 0; i < events; ++i) {
        expect(::write(ends[1], "x", 1) == 1, "a byte was written");
        outside.send(i);
        std::this_thread::sleep_for(100us);
      }
      outside.close();
      ::close(ends[1]);
    });
    auto sum = csp::spawn([&] {
      int result = 0;
      for (const int value : outside) {
        result += value;
      }
      return result;
    });
    auto bytes = csp::spawn([&] {
      std::ptrdiff_t total = 0;
      std::ptrdiff_t got = 1;
      while (got > 0) {
        std::array<char, 16> buffer{};
        csp::select(csp::on_readable(ends[0], [&] { got = ::read(ends[0], buffer.data(), buffer.size()); }));
        total += std::max<std::ptrdiff_t>(got, 0);
      }
      return total;
    });
    // A task that only its own processor may run, woken from wherever the other one is.
    const csp::chan<int> there, back;
    auto pinned = csp::spawn({.name = "pinned", .pinned = true}, [&] {
      for (int i = 0; i < pinned_rounds; ++i) {
        back.send(*there.recv() + 1);
      }
    });
    int token = 0;
    for (int i = 0; i < pinned_rounds; ++i) {
      there.send(token);
      token = *back.recv();
    }
    pinned.join();
    expect(token == pinned_rounds, "the pinned task answered each time");
    expect(bytes.join() == events, "each byte was read");
    expect(sum.join() == events * (events - 1) / 2, "each value from the plain thread came");
    csp::blocking([&] { plain.join(); });
    ::close(ends[0]);
    group.wait();
    expect(slept.load() == sleepers * naps, "every sleep ended");
  });
}
