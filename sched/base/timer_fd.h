// The kernel's timer that is a file descriptor (timerfd_create(2)): any thread may set it anew while another one sleeps
// on it, which a futex's deadline does not allow. On CLOCK_MONOTONIC; closed by exec. errno is kept by all.
#pragma once

#include "sched/base/clock.h"

namespace csp::inline v0::detail {

/// A timer that is not set; -1 when there is none to be had.
[[nodiscard]] int open_timer_fd() noexcept;

/// Sets it to ring at `at`, and not for what was set before; `never` stops it. A time that has passed rings at once.
/// False when `fd` is no timer: somebody has closed it.
[[nodiscard]] bool set_timer_fd(int fd, nanos at) noexcept;

/// Sleeps until it has rung since it was set last, or until the thread has handled a signal, SA_RESTART or not.
void sleep_on_timer_fd(int fd) noexcept;

void close_timer_fd(int fd) noexcept;

}  // namespace csp::inline v0::detail
