#include "test/support/topologies.h"

#include <unistd.h>
#include <array>
#include <mutex>
#include <string>
#include <thread>

namespace {

/// What was written to stderr while it lived.
class captured_stderr {
 public:
  captured_stderr() {
    REQUIRE(::pipe(ends_.data()) == 0);
    saved_ = ::dup(STDERR_FILENO);
    ::dup2(ends_[1], STDERR_FILENO);
  }
  std::string take() {
    std::fflush(stderr);
    ::dup2(saved_, STDERR_FILENO);
    ::close(saved_);
    ::close(ends_[1]);
    std::string text;
    char buffer[4096];
    for (ssize_t got = 0; (got = ::read(ends_[0], buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<std::size_t>(got));
    }
    ::close(ends_[0]);
    return text;
  }

 private:
  std::array<int, 2> ends_{};
  int saved_ = -1;
};

}  // namespace

TEST_CASE("a processor that is blocked in a futex wait while others wait for it is named, with its task") {
  captured_stderr capture;
  csp::options one;
  one.processors = 1;
  one.spares = 0;
  csp::run(one, [] {
    std::mutex lock;
    std::atomic<bool> locked{false};
    std::thread holder([&] {
      const std::lock_guard guard(lock);
      locked = true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    });
    while (!locked) {
      csp::yield();
    }
    auto blocked =
        csp::spawn(csp::task_options{.name = "holds the thread"}, [&] { const std::lock_guard guard(lock); });
    std::atomic<bool> over{false};
    auto other = csp::spawn([&] {
      while (!over) {
        csp::yield();
      }
    });
    blocked.join();
    over = true;
    other.join();
    holder.join();
  });
  const std::string text = capture.take();
  CAPTURE(text);
  CHECK(text.find("blocked for a second in a futex wait") != std::string::npos);
  CHECK(text.find("'holds the thread'") != std::string::npos);
  CHECK(text.find("monitor_futex_test.cpp") != std::string::npos);
  CHECK(text.find("futex wait") == text.rfind("futex wait"));
}
