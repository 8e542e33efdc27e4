// The stacks of whole programs, as csp::stack_statistics shows them: nothing is asked of the kernel in steady state,
// and what a burst has left goes back while the program is idle.
#include "sched/base/sanitizer.h"
#include "sched/stack_arena.h"
#include "test/support/topologies.h"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <fstream>
#include <string>
#include <thread>

using csp_test::with;
using namespace std::chrono_literals;
namespace sanitizer = csp::detail::sanitizer;

namespace {

// Tasks that all live at once, each with a stack of its own.
void burst(std::size_t tasks) {
  csp::chan<void> gate;
  csp::wait_group came(static_cast<unsigned>(tasks));
  csp::wait_group ended(static_cast<unsigned>(tasks));
  for (std::size_t i = 0; i < tasks; ++i) {
    csp::go([&came, &ended, gate] {
      came.done();
      static_cast<void>(gate.recv());
      ended.done();
    });
  }
  came.wait();
  gate.close();
  ended.wait();
}

long page_faults() {
  rusage usage{};
  REQUIRE(::getrusage(RUSAGE_SELF, &usage) == 0);
  return usage.ru_minflt + usage.ru_majflt;
}

std::size_t resident_kib() {
  std::ifstream statm("/proc/self/statm");
  std::size_t all = 0;
  std::size_t resident = 0;
  statm >> all >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) / 1024;
}

std::size_t crowd(std::size_t plain) { return sanitizer::thread_sanitizer ? 1'000 : plain; }

bool sanitized() {
  if (sanitizer::address_sanitizer || sanitizer::thread_sanitizer || csp_test::emulated()) {
    WARN("SKIPPED: a sanitizer or emulator has page faults and memory of its own");
    return true;
  }
  return false;
}

}  // namespace

TEST_CASE("stacks: in steady state a spawn takes no page fault and no mmap", "[fresh]") {
  if (sanitized()) {
    return;
  }
  for (const unsigned processors : {1U, 2U}) {
    csp::run(with(processors), [processors] {
      constexpr std::size_t tasks = 1'000;
      constexpr int waves = 50;
      csp::stack_figures before;
      csp::stack_figures after;
      long faults = 0;
      // On a busy machine a second processor may come to work late, with pools that are empty yet.
      for (int attempt = 0; attempt < 5; ++attempt) {
        for (int i = 0; i < waves; ++i) {
          burst(tasks);
        }
        before = csp::stack_statistics();
        const long faults_before = page_faults();
        for (int i = 0; i < waves; ++i) {
          burst(tasks);
        }
        faults = page_faults() - faults_before;
        after = csp::stack_statistics();
        if (after.mappings_made == before.mappings_made) {
          break;
        }
      }
      CAPTURE(processors, faults);
      CHECK(after.mappings_made == before.mappings_made);
      // In 50,000 spawns: some stacks more than ever before may be on their way between two processors' pools.
      CHECK(after.given_memory - before.given_memory <= 500);
      CHECK(faults <= 500);
    });
  }
}

TEST_CASE("stacks: after a burst, an idle program's memory comes back, and then nothing is left to do", "[fresh]") {
  const bool plain = !(sanitizer::address_sanitizer || sanitizer::thread_sanitizer || csp_test::emulated());
  const std::size_t resident_before = resident_kib();
  for (const unsigned processors : {1U, 4U}) {
    csp::stack_figures high;
    csp::stack_figures low;
    std::size_t resident_high = 0;
    std::size_t resident_low = 0;
    bool settled = false;
    csp::run(with(processors), [&] {
      const std::size_t tasks = crowd(50'000);
      burst(tasks);
      resident_high = resident_kib();
      high = csp::stack_statistics();
      csp::chan<void> gate;
      // Outside, so that all processors sleep and the monitor stands by.
      std::thread observer([&settled, gate] {
        const auto deadline = std::chrono::steady_clock::now() + 60s;
        while (!settled && std::chrono::steady_clock::now() < deadline) {
          std::this_thread::sleep_for(20ms);
          settled = csp::detail::stack_arena::instance().next_ageing() == csp::detail::never;
        }
        gate.close();
      });
      static_cast<void>(gate.recv());
      csp::blocking([&observer] { observer.join(); });
      low = csp::stack_statistics();
      resident_low = resident_kib();
      burst(tasks);  // from what is left
    });
    CAPTURE(processors, resident_before, resident_high, resident_low, high.idle, low.idle, low.in_use);
    CHECK(settled);
    CHECK(high.idle + high.in_use >= crowd(50'000));
    CHECK(low.idle <= 64);
    CHECK(low.in_use <= 64 * (processors + 1) + 1);  // the pools' own
    CHECK(low.memory_released > high.memory_released);
    if (plain) {
      CHECK(low.mappings < high.mappings);
      // What stays is cells (448 bytes a task) and the state of pools.
      CHECK(resident_high - resident_before > 190'000);
      CHECK(resident_low - resident_before < (resident_high - resident_before) / 5);
    }
  }
}

TEST_CASE("stacks: a sawtooth finds its stacks in the pool", "[fresh]") {
  csp::run(with(2), [] {
    const std::size_t tasks = crowd(10'000);
    burst(tasks);
    const csp::stack_figures before = csp::stack_statistics();
    constexpr int teeth = 5;
    for (int i = 0; i < teeth; ++i) {
      csp::sleep_for(300ms);  // some rounds of ageing
      burst(tasks);
    }
    const csp::stack_figures after = csp::stack_statistics();
    CHECK(after.given_memory - before.given_memory <= teeth * tasks / 20);
  });
}
