// epoll_wait on an epoll instance of the user's: the instance is itself a descriptor that becomes readable. Signal
// masks are ignored, as in poll.cpp.
#include "netio/hook/call_blocking.h"
#include "netio/hook/define.h"
#include "netio/real.h"

#include <sys/epoll.h>

namespace csp::inline v0::detail::hook {
namespace {

constexpr nanos nanos_per_second = 1'000'000'000;
constexpr nanos nanos_per_millisecond = 1'000'000;

// `length` of the wait; `never` for no limit.
int wait_for_events(int fd, epoll_event* events, int most, nanos length) noexcept {
  errno_guard keep;
  const int at_once = real::epoll_wait(fd, events, most, 0);
  if (at_once != 0 || length == 0) {
    return keep(at_once);
  }
  io_options options;
  options.deadline = add_saturating(current_time(), length);
  options.foreign = !is_known(fd);
  options.sticky = true;
  io_operation operation(fd, io_direction::read, options);
  for (;;) {
    static_cast<void>(operation.begin_try());
    if (const int count = real::epoll_wait(fd, events, most, 0); count != 0) {
      operation.end_try(false);
      return keep(count);
    }
    if (!wait_for(operation, fd, io_direction::read)) {
      return keep(errno == EAGAIN ? real::epoll_wait(fd, events, most, 0) : -1);
    }
  }
}

[[nodiscard]] nanos to_length(const timespec& value) noexcept {
  nanos whole = 0;
  return __builtin_mul_overflow(nanos{value.tv_sec}, nanos_per_second, &whole) ? never
                                                                               : add_saturating(whole, value.tv_nsec);
}

}  // namespace
}  // namespace csp::inline v0::detail::hook

namespace hook = csp::detail::hook;
namespace real = csp::detail::real;

extern "C" {

CSP_API int epoll_pwait(int fd, epoll_event* events, int most, int milliseconds, const sigset_t* mask) {
  if (!hook::in_task()) {
    return real::epoll_pwait(fd, events, most, milliseconds, mask);
  }
  return hook::wait_for_events(fd, events, most,
                               milliseconds < 0 ? csp::detail::never : milliseconds * hook::nanos_per_millisecond);
}

CSP_API int epoll_wait(int fd, epoll_event* events, int most, int milliseconds) {
  return hook::in_task() ? epoll_pwait(fd, events, most, milliseconds, nullptr)
                         : real::epoll_wait(fd, events, most, milliseconds);
}

CSP_API int epoll_pwait2(int fd, epoll_event* events, int most, const timespec* limit, const sigset_t* mask) {
  const bool valid =
      limit == nullptr || (limit->tv_sec >= 0 && limit->tv_nsec >= 0 && limit->tv_nsec < hook::nanos_per_second);
  if (!hook::in_task() || !valid) {
    return real::epoll_pwait2(fd, events, most, limit, mask);
  }
  return hook::wait_for_events(fd, events, most, limit != nullptr ? hook::to_length(*limit) : csp::detail::never);
}

}  // extern "C"
