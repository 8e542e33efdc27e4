#include "test/support/topologies.h"

#include "sched/base/sanitizer.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <thread>

namespace csp_test {
namespace {

std::size_t entries(const char* folder) {
  const std::filesystem::directory_iterator all(folder);
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

}  // namespace

void expectations::verify() const {
  const std::lock_guard guard(lock_);
  for (const std::string& failure : failures_) {
    UNSCOPED_INFO(failure);
  }
  REQUIRE(failures_.empty());
  REQUIRE(checked_.load() > 0);
}

footprint footprint::now() {
  // A sanitizer may start a thread of its own together with the program's first one.
  static const bool first_thread_started = (std::thread([] {}).join(), true);
  static_cast<void>(first_thread_started);
  return {csp::tasks().size(), entries("/proc/self/task"), entries("/proc/self/fd")};
}

footprint footprint::settled(const footprint& wanted) {
  // The kernel lists a joined thread for a moment longer.
  const auto start = std::chrono::steady_clock::now();
  footprint result = now();
  while (result.threads > wanted.threads && std::chrono::steady_clock::now() - start < std::chrono::seconds(1)) {
    std::this_thread::yield();
    result = now();
  }
  return result;
}

bool emulated() { return std::getenv("CSP_TEST_EMULATOR") != nullptr; }

std::string without_emulator(std::string text) {
  const auto line = text.find("qemu: uncaught target signal");
  if (emulated() && line != std::string::npos) {
    const auto end = text.find('\n', line);
    text.erase(line, end == std::string::npos ? end : end + 1 - line);
  }
  return text;
}

std::size_t scaled(std::size_t plain) {
  namespace sanitizer = csp::detail::sanitizer;
  const std::size_t native = emulated() ? 10 : 1;
  const std::size_t factor = native * (sanitizer::thread_sanitizer ? 20 : sanitizer::address_sanitizer ? 5 : 1);
  return plain / factor > 0 ? plain / factor : 1;
}

void on_each_topology(const std::function<void(expectations&, unsigned)>& body, csp::options options) {
  for (const unsigned processors : {1U, 2U, 4U, 8U}) {
    CAPTURE(processors);
    const footprint before = footprint::now();
    expectations expect;
    options.processors = processors;
    csp::run(options, [&] { body(expect, processors); });
    expect.verify();
    const footprint after = footprint::settled(before);
    CHECK(after.tasks == before.tasks);
    CHECK(after.threads <= before.threads);  // before, one that was joined may still have been listed
    CHECK(after.fds == before.fds);
  }
}

}  // namespace csp_test
