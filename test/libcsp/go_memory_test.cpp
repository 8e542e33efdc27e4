// Memory: a spawn that finds none throws std::bad_alloc to its caller and nothing else happens; and on warm pools
// spawning, running and joining allocates nothing.
#include "sched/base/sanitizer.h"
#include "test/sched/child.h"
#include "test/support/heap.h"
#include "test/support/topologies.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <new>

using csp_test::check_in_child;

namespace {

std::size_t address_space() {
  std::size_t pages = 0;
  if (std::FILE* const file = std::fopen("/proc/self/statm", "re")) {
    if (std::fscanf(file, "%zu", &pages) != 1) {
      pages = 0;
    }
    std::fclose(file);
  }
  return pages * 4096;
}

bool sanitized() {
  namespace sanitizer = csp::detail::sanitizer;
  if (sanitizer::address_sanitizer || sanitizer::thread_sanitizer || csp_test::emulated()) {
    WARN("SKIPPED: a sanitizer or emulator allocates for itself and cannot live under RLIMIT_AS");
    return true;
  }
  return false;
}

}  // namespace

TEST_CASE("memory: spawning under RLIMIT_AS throws bad_alloc to the caller, and all goes on") {
  if (sanitized()) {
    return;
  }
  for (const unsigned processors : {1U, 2U}) {
    const auto result = csp_test::in_child([processors] {
      csp::options options;
      options.processors = processors;
      csp::run(options, [] {
        csp::spawn([] {}).join();
        const std::size_t limit = address_space() + (std::size_t{64} << 20);
        const rlimit narrow{limit, limit};
        check_in_child(::setrlimit(RLIMIT_AS, &narrow) == 0, "setrlimit");
        csp::chan<void> gate;
        std::atomic<long> ran{0};
        long refused = 0;
        long spawned = 0;
        // The smallest reservations come last; several refusals in a row, and the pools get over each.
        for (long i = 0; i < 2'000'000 && refused < 100; ++i) {
          try {
            csp::go({.stack_size = std::size_t{1} << 20}, [&, gate] {
              static_cast<void>(gate.recv());
              ++ran;
            });
            ++spawned;
          } catch (const std::bad_alloc&) {
            ++refused;
          }
        }
        check_in_child(refused == 100, "no bad_alloc after " + std::to_string(spawned) + " tasks");
        check_in_child(
            static_cast<long>(csp::scheduler_statistics().spawned - csp::scheduler_statistics().finished) >= spawned,
            "the tasks that were spawned live");
        gate.close();
        while (ran != spawned) {
          csp::yield();
        }
        // There is room again.
        check_in_child(csp::spawn([] { return 3; }).join() == 3, "spawn after the others have ended");
      });
    });
    CAPTURE(processors, result.text);
    CHECK(result.exited_with(0));
  }
}

TEST_CASE("memory: on warm pools, spawning, running and joining allocates nothing") {
  if (sanitized()) {
    return;
  }
  for (const unsigned processors : {1U, 2U}) {
    csp::options options;
    options.processors = processors;
    std::size_t made = 1;
    csp::run(options, [&] {
      const auto wave = [] {
        constexpr unsigned tasks = 500;
        csp::wait_group all(tasks);
        for (unsigned i = 0; i < tasks; ++i) {
          csp::go([&] { all.done(); });
        }
        all.wait();
        for (int i = 0; i < 100; ++i) {
          csp::spawn([i] { return i; }).join();
        }
      };
      for (int i = 0; i < 20; ++i) {
        wave();
      }
      const std::size_t before = csp_test::heap::made();
      for (int i = 0; i < 20; ++i) {
        wave();
      }
      made = csp_test::heap::made() - before;
    });
    CAPTURE(processors);
    CHECK(made == 0);
  }
  CHECK(csp_test::heap::made() > 0);  // the counter counts
}
