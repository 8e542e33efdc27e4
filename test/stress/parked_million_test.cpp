// A million tasks that have run and wait, each with a guarded stack of its own: few mappings, bounded memory.
#include "sched/base/sanitizer.h"
#include "sched/base/tls.h"
#include "sched/processor.h"
#include "sched/stack_arena.h"
#include "test/support/topologies.h"

#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <fstream>
#include <string>
#include <vector>

using namespace csp::detail;

namespace {

constexpr int advice_populate_read = 22;  // MADV_POPULATE_READ: EFAULT where a read would fault

std::size_t mappings() {
  std::ifstream maps("/proc/self/maps");
  std::size_t lines = 0;
  for (std::string text; std::getline(maps, text);) {
    ++lines;
  }
  return lines;
}

// A line of /proc/self/status in KiB.
std::size_t status_kib(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string text; std::getline(status, text);) {
    if (text.rfind(key + ":", 0) == 0) {
      return std::stoul(text.substr(key.size() + 1));
    }
  }
  return 0;
}

bool faults(const std::byte* page) {
  return ::madvise(const_cast<std::byte*>(page), memory_page_size(), advice_populate_read) != 0 && errno == EFAULT;
}

}  // namespace

TEST_CASE("a million parked tasks have a million guarded stacks in fewer than 2000 mappings") {
  if (sanitizer::address_sanitizer || sanitizer::thread_sanitizer || csp_test::emulated()) {
    WARN("SKIPPED: a sanitizer or emulator has no memory, fibers or mappings for so many");
    return;
  }
  constexpr std::size_t tasks = 1'000'000;
  // What the tasks cost beside the kernel's page tables: a page of stack and a cell. Twice that would be a fault.
  constexpr std::size_t needed_kib = tasks / 1024 * (4096 + 512) + (std::size_t{512} << 10);
  std::size_t available_kib = 0;
  {
    std::ifstream memory("/proc/meminfo");
    for (std::string text; std::getline(memory, text);) {
      if (text.rfind("MemAvailable:", 0) == 0) {
        available_kib = std::stoul(text.substr(13));
      }
    }
  }
  if (available_kib < needed_kib + needed_kib / 2) {
    WARN("SKIPPED: not enough free memory");
    return;
  }
  const std::size_t mappings_before = mappings();
  const std::size_t resident_before = status_kib("VmRSS");
  std::size_t mappings_parked = 0;
  std::size_t resident_parked = 0;
  std::size_t without_guard = 0;
  std::size_t woken = 0;
  stack_arena_statistics seen;
  csp::run([&] {
    std::vector<const stack_block*> stacks(tasks);
    csp::chan<void> gate;
    csp::wait_group parked(tasks);
    csp::wait_group ended(tasks);
    std::atomic<std::size_t> ran{0};
    for (std::size_t i = 0; i < tasks; ++i) {
      csp::go([&, gate, i] {
        stacks[i] = this_processor()->current()->stack;
        parked.done();
        static_cast<void>(gate.recv());
        ran.fetch_add(1, std::memory_order_relaxed);
        ended.done();
      });
      if (i % 1024 == 0) {
        csp::yield();  // those that were spawned run, and park
      }
    }
    parked.wait();
    mappings_parked = mappings();
    resident_parked = status_kib("VmRSS");
    seen = stack_arena::instance().statistics();
    const bool markers = seen.guards[static_cast<std::size_t>(stack_guard_kind::marker)] != 0;
    for (const stack_block* const block : stacks) {
      const bool guarded = block->guard == stack_guard_kind::canary ? !markers : faults(block->base);
      without_guard += guarded && !faults(block->usable_bottom()) ? 0U : 1U;
    }
    gate.close();
    ended.wait();
    woken = ran.load();
  });
  CAPTURE(mappings_before, mappings_parked, resident_before, resident_parked, seen.slabs, seen.carved);
  const std::size_t markers = seen.guards[static_cast<std::size_t>(stack_guard_kind::marker)];
  const std::size_t protections = seen.guards[static_cast<std::size_t>(stack_guard_kind::protection)];
  const std::size_t canaries = seen.guards[static_cast<std::size_t>(stack_guard_kind::canary)];
  CHECK(woken == tasks);
  CHECK(without_guard == 0);
  CHECK(seen.carved >= tasks);
  CHECK(markers + protections + canaries == seen.carved);
  if (markers != 0) {
    CHECK(markers == seen.carved);
    CHECK(mappings_parked < mappings_before + 2'000);
  } else {
    CHECK(mappings_parked < mappings_before + 2'000 + 2 * protections);
  }
  CHECK(resident_parked - resident_before < needed_kib);
}
