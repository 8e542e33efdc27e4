// Threads of others, by the kernel's count.
#include "sched/base/os_thread.h"

#include "test/support/catch.h"

#include <atomic>
#include <chrono>
#include <thread>

using csp::detail::has_foreign_threads;
using csp::detail::own_thread_mark;
using namespace std::chrono_literals;

namespace {

/// A joined thread is counted by the kernel for a moment longer.
bool soon_alone() {
  const auto end = std::chrono::steady_clock::now() + 10s;
  while (has_foreign_threads()) {
    if (std::chrono::steady_clock::now() > end) {
      return false;
    }
  }
  return true;
}

}  // namespace

TEST_CASE("os_thread: a thread is foreign unless it is marked as ours") {
  CHECK(has_foreign_threads());  // this one
  const own_thread_mark mark;
  CHECK(soon_alone());
  std::atomic<bool> over{false};
  std::thread plain([&] {
    while (!over) {
      std::this_thread::yield();
    }
  });
  CHECK(has_foreign_threads());
  over = true;
  plain.join();
  CHECK(soon_alone());
  std::thread ours = csp::detail::start_thread("ours", [&] {
    while (over) {
      std::this_thread::yield();
    }
  });
  CHECK(soon_alone());
  over = false;
  ours.join();
}
