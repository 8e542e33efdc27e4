// The kernel's timer: it rings at its time, whoever has set it last, and keeps errno.
#include "sched/base/timer_fd.h"

#include "test/support/topologies.h"

#include <cerrno>
#include <thread>

#include <unistd.h>

using csp::detail::close_timer_fd;
using csp::detail::nanos;
using csp::detail::never;
using csp::detail::open_timer_fd;
using csp::detail::set_timer_fd;
using csp::detail::sleep_on_timer_fd;
using csp::detail::steady_now;

namespace {

constexpr nanos millisecond = 1'000'000;
constexpr nanos hour = 3'600'000 * millisecond;

}  // namespace

TEST_CASE("timer_fd: it rings at its time and not before, again and again") {
  const int fd = open_timer_fd();
  REQUIRE(fd >= 0);
  for (int i = 0; i < 3; ++i) {
    const nanos at = steady_now() + 10 * millisecond;
    REQUIRE(set_timer_fd(fd, at));
    sleep_on_timer_fd(fd);
    CHECK(steady_now() >= at);
  }
  close_timer_fd(fd);
}

TEST_CASE("timer_fd: a time that has passed rings at once") {
  const int fd = open_timer_fd();
  for (const nanos past : {steady_now() - 1, nanos{0}, nanos{-1}, std::numeric_limits<nanos>::min()}) {
    REQUIRE(set_timer_fd(fd, past));
    sleep_on_timer_fd(fd);
  }
  close_timer_fd(fd);
}

TEST_CASE("timer_fd: a new time takes the place of the old one, rung or not") {
  const int fd = open_timer_fd();
  REQUIRE(set_timer_fd(fd, 0));
  const nanos later = steady_now() + 20 * millisecond;
  REQUIRE(set_timer_fd(fd, later));
  sleep_on_timer_fd(fd);
  CHECK(steady_now() >= later);
  REQUIRE(set_timer_fd(fd, steady_now() + hour));
  REQUIRE(set_timer_fd(fd, steady_now() + millisecond));
  sleep_on_timer_fd(fd);
  close_timer_fd(fd);
}

TEST_CASE("timer_fd: who sleeps is woken by a time that another thread brings forward") {
  for (const nanos first : {steady_now() + hour, never}) {
    const int fd = open_timer_fd();
    REQUIRE(set_timer_fd(fd, first));
    std::thread sleeper([fd] { sleep_on_timer_fd(fd); });
    ::usleep(5'000);
    REQUIRE(set_timer_fd(fd, 0));
    sleeper.join();
    close_timer_fd(fd);
  }
}

TEST_CASE("timer_fd: errno is kept, by failures, too") {
  errno = EDOM;
  const int fd = open_timer_fd();
  REQUIRE(set_timer_fd(fd, 0));
  sleep_on_timer_fd(fd);
  close_timer_fd(fd);
  CHECK_FALSE(set_timer_fd(fd, 0));
  CHECK_FALSE(set_timer_fd(STDERR_FILENO, 0));
  close_timer_fd(fd);
  CHECK(errno == EDOM);
}
