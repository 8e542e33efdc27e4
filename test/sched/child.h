// A child process for what ends a program, or must not see the test's own threads and limits: its stderr is collected,
// and it is killed after two minutes. The child leaves by _exit(0) when the body returns, without static destructors.
//
// The child is a new process of the same program (sanitizers do not take well to a fork), which runs the same test case
// again up to the same call of in_child and there its body. So what a test case does before that call must be the same
// each time and harmless, and may not REQUIRE anything of earlier children.
#pragma once

#include "test/support/leftovers.h"
#include "test/support/topologies.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <string>
#include <utility>

namespace csp_test {

struct child_result {
  int status = 0;
  std::string text;  // what the child wrote to stderr

  [[nodiscard]] bool exited_with(int code) const { return WIFEXITED(status) && WEXITSTATUS(status) == code; }
  [[nodiscard]] bool died_of(int signal) const { return WIFSIGNALED(status) && WTERMSIG(status) == signal; }
  [[nodiscard]] bool says(const std::string& part) const { return text.find(part) != std::string::npos; }
};

/// Fails inside a child: the text goes to stderr, and so to the parent's report.
[[noreturn]] inline void fail_child(const std::string& text) {
  const std::string line = "child failed: " + text + "\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
  ::_exit(99);
}
inline void check_in_child(bool holds, const std::string& text) {
  if (!holds) {
    fail_child(text);
  }
}

/// Names the call of in_child whose body the new process runs.
inline constexpr char child_variable[] = "CSP_TEST_CHILD";

/// In the child: runs the body and ends the process.
template <class Body>
[[noreturn]] void be_child(Body& body) {
  ::unsetenv(child_variable);
  ::signal(SIGABRT, SIG_DFL);  // not Catch2's handler
  try {
    body();
  } catch (const std::exception& error) {
    fail_child(std::string("exception: ") + error.what());
  } catch (...) {
    fail_child("an exception of another kind");
  }
  ::_exit(0);
}

/// Replaces a forked process by the child.
[[noreturn]] inline void exec_child(const std::string& test, int number, int error_output) {
  ::dup2(error_output, STDERR_FILENO);
  const int nowhere = ::open("/dev/null", O_WRONLY);
  ::dup2(nowhere, STDOUT_FILENO);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::setenv(child_variable, std::to_string(number).c_str(), 1);
  ::alarm(120);
  if (std::getenv("CSP_TEST_EMULATOR") != nullptr) {
    char self[4096] = {};
    if (::readlink("/proc/self/exe", self, sizeof self - 1) > 0) {
      ::execl("/bin/sh", "sh", "-c", "exec $CSP_TEST_EMULATOR \"$@\"", "sh", self, test.c_str(),
              static_cast<char*>(nullptr));
    }
    ::_exit(98);
  }
  ::execl("/proc/self/exe", "child", test.c_str(), static_cast<char*>(nullptr));
  ::_exit(98);
}

/// Runs `body` in a child.
template <class Body>
child_result in_child(Body body) {
  static unsigned present_test = 0;
  static int calls = 0;
  const std::string test = Catch::getResultCapture().getCurrentTestName();
  calls = test_cases_begun() == present_test ? calls + 1 : 0;
  present_test = test_cases_begun();
  if (const char* const wanted = std::getenv(child_variable)) {
    if (std::atoi(wanted) == calls) {
      be_child(body);
    }
    return {};
  }
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const std::string quoted = quoted_test_name(test);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    exec_child(quoted, calls, ends[1]);
  }
  ::close(ends[1]);
  child_result result;
  char buffer[4096];
  for (ssize_t n; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    result.text.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(ends[0]);
  result.text = without_emulator(std::move(result.text));
  REQUIRE(::waitpid(child, &result.status, 0) == child);
  return result;
}

}  // namespace csp_test
