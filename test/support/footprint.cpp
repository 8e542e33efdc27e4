#include "test/support/footprint.h"

#include "sched/deadlock.h"
#include "sched/stack_arena.h"

#include <libcsp/inspect.h>

#include <chrono>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <thread>

namespace csp_test {
namespace {

std::size_t entries(const char* folder) {
  const std::filesystem::directory_iterator all(folder);
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

// But the one by which stacks hibernate: it is made once, and stays.
std::size_t open_files() {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::filesystem::path target = std::filesystem::read_symlink(entry.path(), gone);
    count += target != "anon_inode:[userfaultfd]" ? 1U : 0U;
  }
  return count;
}

}  // namespace

footprint footprint::now() {
  // A sanitizer may start a thread of its own together with the program's first one.
  static const bool first_thread_started = (std::thread([] {}).join(), true);
  static_cast<void>(first_thread_started);
  return {csp::tasks().size(), entries("/proc/self/task"), open_files(),
          csp::detail::stack_arena::instance().statistics().credits + csp::hibernation_statistics().in_use,
          csp::detail::armed_timers()};
}

footprint footprint::settled(const footprint& wanted) {
  const auto start = std::chrono::steady_clock::now();
  footprint result = now();
  while (!result.beyond(wanted).empty() && std::chrono::steady_clock::now() - start < std::chrono::seconds(1)) {
    std::this_thread::yield();
    result = now();
  }
  return result;
}

std::string footprint::beyond(const footprint& before) const {
  std::string text;
  const auto tell = [&text](std::size_t was, std::size_t is, const char* what) {
    text += (text.empty() ? "" : ", ") + std::to_string(was) + " -> " + std::to_string(is) + ' ' + what;
  };
  if (tasks > before.tasks) {
    tell(before.tasks, tasks, "tasks");
  }
  if (threads > before.threads) {
    tell(before.threads, threads, "threads");
  }
  if (fds != before.fds) {
    tell(before.fds, fds, "file descriptors");
  }
  if (stacks > before.stacks) {
    tell(before.stacks, stacks, "stacks");
  }
  if (timers > before.timers) {
    tell(before.timers, timers, "timers");
  }
  return text;
}

}  // namespace csp_test
