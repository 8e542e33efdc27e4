// Hibernation under load: tasks that sleep and wake all the time lose nothing, and a million sleepers are cancelled one
// after another, not all brought back at once.
#include "sched/base/sanitizer.h"
#include "test/support/topologies.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

using csp_test::expectations;
using csp_test::on_each_topology;
using csp_test::with;
using namespace std::chrono_literals;
namespace sanitizer = csp::detail::sanitizer;

namespace {

constexpr bool sanitized = sanitizer::address_sanitizer || sanitizer::thread_sanitizer;
constexpr csp::task_options sleeper{.stack_size = (sanitized ? 128 : 16) * 1024, .hibernates = true};

bool skipped() {
  if (csp::can_hibernate()) {
    return false;
  }
  WARN("SKIPPED: the kernel does not grant userfaultfd here");
  return true;
}

// The peak of resident memory since the last call of forget_peak(), in KiB.
std::size_t peak_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string text; std::getline(status, text);) {
    if (text.rfind("VmHWM:", 0) == 0) {
      return std::stoul(text.substr(6));
    }
  }
  return 0;
}
void forget_peak() { std::ofstream("/proc/self/clear_refs") << 5; }

}  // namespace

TEST_CASE("hibernation: pairs that wait a while between their values lose none") {
  if (skipped()) {
    return;
  }
  csp::options options;
  options.hibernate_after = 1ms;
  on_each_topology(
      [](expectations& expect, unsigned) {
        constexpr std::size_t pairs = sanitized ? 100 : 1'000;
        constexpr int rounds = 20;
        const std::uint64_t wakes_before = csp::hibernation_statistics().wakes;
        std::vector<std::atomic<volatile int*>> windows(pairs);
        std::atomic<std::int64_t> sum{0};
        csp::wait_group ended(2 * pairs);
        for (std::size_t p = 0; p < pairs; ++p) {
          const csp::chan<int> ball;
          csp::go(sleeper, [&, p, ball] {
            volatile int touched = 0;
            windows[p].store(&touched);
            for (int i = 0; i < rounds; ++i) {
              sum += ball.recv().value_or(-1);
            }
            windows[p].store(nullptr);
            ended.done();
          });
          csp::go(sleeper, [&, p, ball] {
            std::minstd_rand random(static_cast<unsigned>(p + 1));
            for (int i = 0; i < rounds; ++i) {
              csp::sleep_for(std::chrono::microseconds(random() % 8'000));
              ball.send(i);
            }
            ended.done();
          });
        }
        ended.wait();
        expect(sum == static_cast<std::int64_t>(pairs) * rounds * (rounds - 1) / 2, "a value is lost");
        expect(csp::hibernation_statistics().wakes > wakes_before, "nobody has slept");
      },
      options);
}

TEST_CASE("hibernation: others write into sleeping stacks while their tasks are woken") {
  if (skipped()) {
    return;
  }
  csp::options options;
  options.hibernate_after = 1ms;
  on_each_topology(
      [](expectations& expect, unsigned) {
        constexpr std::size_t tasks = sanitized ? 50 : 200;
        constexpr int rounds = 30;
        csp::wait_group ended(tasks);
        for (std::size_t t = 0; t < tasks; ++t) {
          csp::go(sleeper, [&, t] {
            std::minstd_rand random(static_cast<unsigned>(t + 1));
            for (int i = 0; i < rounds; ++i) {
              // Two helpers write here, one of them ends the wait; when both have ended all is there.
              std::atomic<int> written[64] = {};
              csp::wait_group helpers(2);
              for (int helper = 0; helper < 2; ++helper) {
                csp::go([&written, &helpers, helper, pause = random() % 4'000] {
                  csp::sleep_for(std::chrono::microseconds(pause));
                  for (int k = helper; k < 64; k += 2) {
                    written[k].fetch_add(k + 1, std::memory_order_relaxed);
                  }
                  helpers.done();
                });
              }
              helpers.wait();
              int total = 0;
              for (const auto& each : written) {
                total += each.load(std::memory_order_relaxed);
              }
              expect(total == 64 * 65 / 2, "a write is lost");
            }
            ended.done();
          });
        }
        ended.wait();
      },
      options);
}

TEST_CASE("hibernation: a million sleepers are cancelled within bounded memory", "[fresh]") {
  if (skipped()) {
    return;
  }
  if (sanitized || csp_test::emulated()) {
    WARN("SKIPPED: a sanitizer or emulator has no memory for so many");
    return;
  }
  constexpr std::size_t tasks = 1'000'000;
  std::atomic<std::size_t> unwound{0};
  struct counter {
    std::atomic<std::size_t>& count;
    ~counter() { count.fetch_add(1, std::memory_order_relaxed); }
  };
  std::size_t asleep_kib = 0;
  csp::run(with(2), [&] {
    const csp::chan<void> never;
    for (std::size_t i = 0; i < tasks; ++i) {
      csp::go(sleeper, [&unwound, never] {
        const counter mine{unwound};
        static_cast<void>(never.recv());
      });
      if (i % 100'000 == 0) {
        while (csp::hibernation_statistics().asleep + 200'000 < i) {
          csp::sleep_for(1ms);
        }
      }
    }
    while (csp::hibernation_statistics().asleep != tasks) {
      csp::sleep_for(1ms);
    }
    forget_peak();
    asleep_kib = peak_kib();
  });
  CHECK(unwound == tasks);
  CHECK(csp::hibernation_statistics().in_use == 0);
  // A sleeper has less than a kibibyte; all awake would have four more each.
  CHECK(asleep_kib < tasks + 200'000);
  CHECK(peak_kib() < asleep_kib + 500'000);
}
