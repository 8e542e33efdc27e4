// Guards where the kernel refuses some of them, and whole programs on each kind of guard: what overflows is named.
#include "sched/base/sanitizer.h"
#include "sched/stack_arena.h"
#include "test/sched/child.h"
#include "test/support/topologies.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>

using namespace csp::detail;
using csp_test::check_in_child;
using csp_test::child_result;
using csp_test::in_child;
using csp_test::with;

namespace {

std::size_t count_of(stack_guard_kind kind) {
  return stack_arena::instance().statistics().guards[static_cast<std::size_t>(kind)];
}

bool sanitized() {
  if (sanitizer::address_sanitizer || sanitizer::thread_sanitizer) {
    WARN("SKIPPED: stack overflows belong to the sanitizer here");
    return true;
  }
  return false;
}

std::byte* fresh_pages(std::size_t pages) {
  void* const memory =
      ::mmap(nullptr, pages * memory_page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  return static_cast<std::byte*>(memory);
}

// Many tasks that wait, so that each has a stack of its own.
void run_crowd(int tasks) {
  csp::run(with(2), [tasks] {
    csp::chan<void> gate;
    csp::wait_group came(static_cast<unsigned>(tasks));
    csp::wait_group ended(static_cast<unsigned>(tasks));
    for (int i = 0; i < tasks; ++i) {
      csp::go([&, gate] {
        came.done();
        static_cast<void>(gate.recv());
        ended.done();
      });
    }
    came.wait();
    gate.close();
    ended.wait();
  });
}

// Uses so many bytes of stack below `top`.
// NOLINTNEXTLINE(misc-no-recursion)
__attribute__((noinline)) int descend(std::uintptr_t top, std::size_t bytes) {
  volatile char frame[256];
  frame[0] = 1;
  asm volatile("" : : "r"(frame) : "memory");
  if (top - reinterpret_cast<std::uintptr_t>(&frame[0]) >= bytes) {
    return frame[0];
  }
  const int below = descend(top, bytes);
  return below + frame[0];
}

// One frame that is larger than the stack. This file is compiled with -fstack-clash-protection: each page of the frame
// is touched on the way down.
__attribute__((noinline)) int use_large_frame() {
  volatile char frame[200 * 1024];
  frame[0] = 1;
  frame[sizeof frame - 1] = 1;
  asm volatile("" : : "r"(frame) : "memory");  // nobody may find that the frame is not needed
  return frame[0] + frame[sizeof frame - 1];
}

// Called by a function of the C library that knows nothing of tasks.
int compare_deeply(const void*, const void*) {
  const char here = 0;
  return descend(reinterpret_cast<std::uintptr_t>(&here), std::size_t{1} << 40);
}

void overflow_by_recursion() { static_cast<void>(compare_deeply(nullptr, nullptr)); }
void overflow_by_frame() { static_cast<void>(use_large_frame()); }
void overflow_in_callback() {
  int numbers[2] = {2, 1};
  std::qsort(numbers, 2, sizeof numbers[0], compare_deeply);
}

}  // namespace

TEST_CASE("stack guards: locked memory takes no marker; protection serves, and beyond the budget a canary") {
  // Kernels refuse MADV_GUARD_INSTALL in a locked mapping. A sanitizer's mlock() does nothing.
  if (sanitizer::address_sanitizer || sanitizer::thread_sanitizer) {
    WARN("SKIPPED: memory is not locked under a sanitizer");
    return;
  }
  std::byte* const pages = fresh_pages(3);
  if (::mlock(pages, 3 * memory_page_size()) != 0) {
    WARN("SKIPPED: this process may not lock memory");
    return;
  }
  errno = 77;
  set_stack_protection_budget(1);
  const stack_guard_kind first = install_stack_guard(pages);
  const stack_guard_kind second = install_stack_guard(pages + memory_page_size());
  set_stack_protection_budget(1000);
  CHECK(errno == 77);
  CHECK(first == stack_guard_kind::protection);
  CHECK(second == stack_guard_kind::canary);
  CHECK(stack_canary_intact(pages + memory_page_size()));
  CHECK(::munmap(pages, 3 * memory_page_size()) == 0);
}

TEST_CASE("stack guards: the same program runs on each kind, and each stack's guard is counted") {
  for (const auto kind : {stack_guard_kind::marker, stack_guard_kind::protection, stack_guard_kind::canary}) {
    const child_result result = in_child([kind] {
      force_stack_guard_kind(kind);
      run_crowd(1'000);
      const auto seen = stack_arena::instance().statistics();
      check_in_child(seen.carved >= 1'000, "each waiting task has a stack");
      std::size_t guards = 0;
      for (const std::size_t each : seen.guards) {
        guards += each;
      }
      check_in_child(guards == seen.carved, "each stack's guard is counted");
      const bool kernel_may_refuse = kind == stack_guard_kind::marker;
      check_in_child(count_of(kind) == seen.carved || (kernel_may_refuse && count_of(kind) == 0), "of the kind");
    });
    CAPTURE(static_cast<int>(kind), result.text);
    CHECK(result.exited_with(0));
  }
}

TEST_CASE("stack guards: beyond the budget of protections a program goes on with canaries") {
  const child_result result = in_child([] {
    force_stack_guard_kind(stack_guard_kind::protection);
    set_stack_protection_budget(100);
    run_crowd(1'000);
    check_in_child(count_of(stack_guard_kind::protection) == 100, "the budget is used");
    check_in_child(count_of(stack_guard_kind::canary) >= 900, "the rest are canaries");
  });
  CAPTURE(result.text);
  CHECK(result.exited_with(0));
}

TEST_CASE("stack guards: deep recursion, one large frame and a C callback are each named") {
  if (sanitized()) {
    return;
  }
  struct way {
    const char* name;
    void (*overflow)();
  };
  for (const way& each : {way{"recursion", overflow_by_recursion}, way{"frame", overflow_by_frame},
                          way{"callback", overflow_in_callback}}) {
    for (const auto kind : {stack_guard_kind::marker, stack_guard_kind::protection}) {
      const child_result result = in_child([&each, kind] {
        force_stack_guard_kind(kind);
        csp::run(with(2), [&each] {
          csp::spawn({.name = each.name, .stack_size = 64 * 1024}, [&each] {
            csp::yield();
            each.overflow();
          }).join();
        });
      });
      CAPTURE(each.name, static_cast<int>(kind), result.text);
      if (kind == stack_guard_kind::marker && result.died_of(SIGABRT)) {
        WARN("SKIPPED: no markers here");
        continue;
      }
      CHECK(result.died_of(SIGSEGV));
      CHECK(result.says("stack overflow in task"));
      CHECK(result.says("'" + std::string(each.name) + "'"));
      CHECK(result.says("stack_guard_test.cpp:"));
      CHECK(result.says("64 KiB is exhausted"));
    }
  }
}

TEST_CASE(
    "stack guards: a task that went over a canary is named when it ends, also when its stack goes on to another") {
  if (sanitized()) {
    return;
  }
  for (const bool handed_on : {false, true}) {
    const child_result result = in_child([handed_on] {
      force_stack_guard_kind(stack_guard_kind::canary);
      csp::run(with(1), [handed_on] {
        constexpr std::size_t size = 64 * 1024;
        csp::go({.name = "damages", .stack_size = size}, [] {
          const char here = 0;
          const auto* const block = stack_arena::instance().lookup(&here);
          // Into the guard, not beyond: what an overflow of some hundred bytes writes.
          std::memset(block->base + memory_page_size() - 256, 0x5a, 256);
        });
        if (handed_on) {
          csp::go({.name = "innocent", .stack_size = size}, [] {});
        }
        csp::sleep_for(std::chrono::hours(1));
      });
    });
    CAPTURE(handed_on, result.text);
    CHECK(result.died_of(SIGABRT));
    CHECK(result.says("'damages'"));
    CHECK(result.says("64 KiB was exhausted, and memory below it is damaged"));
  }
}
