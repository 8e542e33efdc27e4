#include "sched/base/timer_fd.h"

#include "sched/base/sanitizer.h"

#include <poll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <ctime>

namespace csp::inline v0::detail {
namespace {

/// What the kernel calls a set of signals is one word of 64 bits (ppoll(2), "C library/kernel differences").
constexpr std::size_t kernel_signal_set_size = 8;

}  // namespace

int open_timer_fd() noexcept {
  const int saved = errno;
  const int fd = ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  errno = saved;
  return fd;
}

bool set_timer_fd(int fd, nanos at) noexcept {
  constexpr nanos nanos_per_second = 1'000'000'000;
  itimerspec when{};  // all zero: stopped
  if (at != never) {
    const nanos positive = std::max(at, nanos{1});
    when.it_value.tv_sec = static_cast<std::time_t>(positive / nanos_per_second);
    when.it_value.tv_nsec = static_cast<long>(positive % nanos_per_second);
  }
  const int saved = errno;
  const bool done = ::timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, nullptr) == 0;
  errno = saved;
  return done;
}

void sleep_on_timer_fd(int fd) noexcept {
  pollfd watched{fd, POLLIN, 0};
  const int saved = errno;
  // The system call itself: a program may have put something else in the place of poll().
  const long result = ::syscall(SYS_ppoll, &watched, 1, nullptr, nullptr, kernel_signal_set_size);
  if (result < 0 && errno == EINTR && sanitizer::holds_signals_back) {
    ::usleep(0);  // intercepted: lets them in
  }
  errno = saved;
}

void close_timer_fd(int fd) noexcept {
  const int saved = errno;
  ::syscall(SYS_close, fd);
  errno = saved;
}

}  // namespace csp::inline v0::detail
