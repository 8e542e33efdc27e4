// A child process for what ends a program, or must not see the test's own threads and limits: its stderr is collected,
// and it is killed after two minutes. The child leaves by _exit(0) when the body returns, without static destructors.
#pragma once

#include "test/support/catch.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <exception>
#include <string>

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

/// Runs `body` in a child of fork. The calling process must have no other thread.
template <class Body>
child_result in_child(Body body) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    ::signal(SIGABRT, SIG_DFL);  // not Catch2's handler
    ::alarm(120);
    try {
      body();
    } catch (const std::exception& error) {
      fail_child(std::string("exception: ") + error.what());
    } catch (...) {
      fail_child("an exception of another kind");
    }
    ::_exit(0);
  }
  ::close(ends[1]);
  child_result result;
  char buffer[4096];
  for (ssize_t n; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    result.text.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(ends[0]);
  REQUIRE(::waitpid(child, &result.status, 0) == child);
  return result;
}

}  // namespace csp_test
