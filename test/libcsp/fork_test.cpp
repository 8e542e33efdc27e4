// A child of fork: what waits or spawns there ends it with a message; the parent goes on.
#include "test/sched/child.h"
#include "test/support/topologies.h"

#include "sched/base/sanitizer.h"

#include <chrono>
#include <functional>

using csp_test::check_in_child;
using csp_test::in_child;
using namespace std::chrono_literals;

namespace {

/// Forks, runs `body` in the child, and returns how the child ended.
int in_fork(const std::function<void()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    body();
    ::_exit(0);
  }
  int status = 0;
  check_in_child(child > 0 && ::waitpid(child, &status, 0) == child, "the forked child was waited for");
  return status;
}

/// A program in which a task forks; what its child wrote, after a check that it died, or did not.
csp_test::child_result forking_task(const std::function<void()>& body, bool dies) {
  return in_child([&] {
    csp::options options;
    options.processors = 2;
    csp::run(options, [&] {
      csp::spawn({.name = "forker"}, [&] {
        const int status = in_fork(body);
        check_in_child(
            dies ? WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT : WIFEXITED(status) && WEXITSTATUS(status) == 0,
            "how the forked child ended");
        csp::sleep_for(1ms);  // the parent is as before
      }).join();
    });
  });
}

}  // namespace

TEST_CASE("fork: what waits or spawns in the child is fatal, and named") {
  if (csp::detail::sanitizer::thread_sanitizer) {
    return;  // it does not follow a fork of a process with threads
  }
  const std::function<void()> bodies[] = {
      [] { csp::sleep_for(1h); },
      [] { static_cast<void>(csp::chan<int>().recv()); },
      [] { csp::yield(); },
      [] { csp::go([] {}); },
  };
  for (const auto& body : bodies) {
    const auto result = forking_task(body, true);
    CAPTURE(result.text);
    CHECK(result.exited_with(0));
    CHECK(result.says("in a child of fork"));
    CHECK(result.says("spawned at"));
  }
}

TEST_CASE("fork: what does not wait works in the child, and so does the C library") {
  if (csp::detail::sanitizer::thread_sanitizer) {
    return;
  }
  const auto result = forking_task(
      [] {
        csp::chan<int> values(1);
        values.send(7);
        if (values.recv() != 7) ::_exit(1);
        int ends[2];
        if (::pipe(ends) != 0 || ::write(ends[1], "x", 1) != 1) ::_exit(2);
      },
      false);
  CAPTURE(result.text);
  CHECK(result.exited_with(0));
}

TEST_CASE("fork: a child that a plain thread makes while no scheduler runs may have one of its own") {
  if (csp::detail::sanitizer::thread_sanitizer) {
    return;
  }
  const auto result = in_child([] {
    csp::run([] { csp::yield(); });
    const int status = in_fork([] {
      if (csp::run([] { return csp::spawn([] { return 5; }).join(); }) != 5) ::_exit(3);
    });
    check_in_child(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ran");
  });
  CAPTURE(result.text);
  CHECK(result.exited_with(0));
}

TEST_CASE("fork: csp::run in a child of a process in which a scheduler runs is fatal") {
  if (csp::detail::sanitizer::thread_sanitizer) {
    return;
  }
  const auto result = in_child([] {
    csp::scheduler other{csp::options{}};
    other.start();
    const int status = in_fork([] { csp::run([] {}); });
    check_in_child(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "the child died");
    other.stop();
  });
  CAPTURE(result.text);
  CHECK(result.exited_with(0));
  CHECK(result.says("in a child of fork"));
}
