// What ends a program: an exception that leaves a detached task, and a stack that overflows. Each is told in one
// message that names the task.
#include "sched/base/sanitizer.h"
#include "test/sched/child.h"
#include "test/support/topologies.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

using csp_test::child_result;
using csp_test::in_child;
using csp_test::with;

namespace {

long lines(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

// Uses so many bytes of stack below `top`. What follows the call keeps compilers from making it a loop.
// NOLINTNEXTLINE(misc-no-recursion)
__attribute__((noinline)) int descend(std::uintptr_t top, std::size_t bytes) {
  volatile char frame[256];
  frame[0] = 1;
  if (top - reinterpret_cast<std::uintptr_t>(&frame[0]) >= bytes) {
    return frame[0];
  }
  const int below = descend(top, bytes);
  return below + frame[0];
}
void use_stack(std::size_t bytes) {
  const char here = 0;
  static_cast<void>(descend(reinterpret_cast<std::uintptr_t>(&here), bytes));
}
constexpr std::size_t bottomless = std::size_t{1} << 40;

bool sanitized() {
  namespace sanitizer = csp::detail::sanitizer;
  if (sanitizer::address_sanitizer || sanitizer::thread_sanitizer) {
    WARN("SKIPPED: stack overflows belong to the sanitizer here");
    return true;
  }
  return false;
}

}  // namespace

TEST_CASE("death: an exception that leaves a detached task is told with the task, its site and the text") {
  for (const unsigned processors : {1U, 4U}) {
    const unsigned line = __LINE__ + 3;
    const child_result result = in_child([=] {
      csp::run(with(processors), [] {
        csp::go({.name = "doomed"}, [] {
          csp::yield();
          throw std::runtime_error("the reason");
        });
        csp::sleep_for(std::chrono::hours(1));
      });
    });
    INFO(result.text);
    CHECK(result.died_of(SIGABRT));
    CHECK(result.says("an exception left a detached task: the reason"));
    CHECK(result.says("'doomed'"));
    CHECK(result.says("go_death_test.cpp:" + std::to_string(line)));
    CHECK(lines(result.text) == 1);
  }
}

TEST_CASE("death: an exception that is no std::exception is told by its type") {
  const child_result result = in_child([] {
    csp::run(with(2), [] {
      struct custom_failure {};
      csp::go([] { throw custom_failure{}; });
      csp::sleep_for(std::chrono::hours(1));
    });
  });
  INFO(result.text);
  CHECK(result.died_of(SIGABRT));
  CHECK(result.says("custom_failure"));
  CHECK(result.says("go_death_test.cpp:"));
}

TEST_CASE("death: csp::canceled that nobody asked for ends a detached task quietly") {
  csp::run(with(2), [] {
    csp::go([] { throw csp::canceled(); });
    for (int i = 0; i < 1'000 && csp::tasks().size() != 1; ++i) {
      csp::sleep_for(std::chrono::milliseconds(5));
    }
    CHECK(csp::tasks().size() == 1);
  });
}

TEST_CASE("death: a stack overflow is told once, with the task, its site and its stack's size") {
  if (sanitized()) {
    return;
  }
  for (const unsigned processors : {1U, 4U}) {
    const unsigned line = __LINE__ + 3;
    const child_result result = in_child([=] {
      csp::run(with(processors), [] {
        csp::go({.name = "deep", .stack_size = 64 * 1024}, [] {
          csp::yield();
          use_stack(bottomless);
        });
        csp::sleep_for(std::chrono::hours(1));
      });
    });
    CAPTURE(processors, result.text);
    CHECK(result.died_of(SIGSEGV));
    CHECK(result.says("stack overflow"));
    CHECK(result.says("'deep'"));
    CHECK(result.says("go_death_test.cpp:" + std::to_string(line)));
    CHECK(result.says("64 KiB"));
    CHECK(lines(result.text) == 1);
  }
}

TEST_CASE("death: the second task on a stack is the one that is named") {
  if (sanitized()) {
    return;
  }
  const child_result result = in_child([] {
    csp::run(with(1), [] {
      for (int i = 0; i < 50; ++i) {
        csp::go({.name = "innocent"}, [] {});
      }
      csp::go({.name = "guilty"}, [] { use_stack(bottomless); });
      csp::sleep_for(std::chrono::hours(1));
    });
  });
  INFO(result.text);
  CHECK(result.died_of(SIGSEGV));
  CHECK(result.says("'guilty'"));
  CHECK_FALSE(result.says("'innocent'"));
}

TEST_CASE("stack sizes: a task can use what it asked for") {
  if (sanitized()) {
    return;
  }
  const auto uses = [](std::size_t stack, std::size_t bytes) {
    return in_child([=] {
      csp::options options = with(2);
      options.stack_size = 128 * 1024;
      csp::run(options, [=] { csp::spawn({.name = "user", .stack_size = stack}, [=] { use_stack(bytes); }).join(); });
    });
  };
  CHECK(uses(0, 100 * 1024).exited_with(0));
  CHECK(uses(1 << 20, 900 * 1024).exited_with(0));
  CHECK(uses(8 << 20, 7 << 20).exited_with(0));
  CHECK(uses(0, 200 * 1024).says("128 KiB"));
  CHECK(uses(16 * 1024, 100 * 1024).says("16 KiB"));
  CHECK(uses(100'000, 200 * 1024).says("128 KiB"));  // rounded up to a power of two
}

TEST_CASE("stack sizes: what is above 8 MiB is refused and nothing starts") {
  csp::run(with(2), [] {
    CHECK_THROWS_AS(csp::go({.stack_size = (8U << 20) + 1}, [] {}), std::invalid_argument);
    CHECK_THROWS_AS(csp::spawn({.stack_size = std::size_t(-1)}, [] {}), std::invalid_argument);
    CHECK(csp::tasks().size() == 1);
  });
}
