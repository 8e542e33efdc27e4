// Sleeping: the task waits, its thread does not. A cancelled task's sleep ends with ECANCELED, or with the rest of its
// time where the call has no error.
#include "netio/hook/call_blocking.h"
#include "netio/hook/define.h"
#include "netio/real.h"
#include "sched/park.h"

#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <climits>

namespace csp::inline v0::detail::hook {
namespace {

constexpr nanos nanos_per_second = 1'000'000'000;
constexpr nanos nanos_per_microsecond = 1'000;

[[nodiscard]] bool is_valid(const timespec* length) noexcept {
  return length != nullptr && length->tv_sec >= 0 && length->tv_nsec >= 0 && length->tv_nsec < nanos_per_second;
}

[[nodiscard]] nanos to_length(const timespec& value) noexcept {
  nanos whole = 0;
  return __builtin_mul_overflow(nanos{value.tv_sec}, nanos_per_second, &whole) ? never
                                                                               : add_saturating(whole, value.tv_nsec);
}

// What is left of the time: 0 when it was slept through, more when the task was cancelled.
[[nodiscard]] nanos sleep_for(nanos length) noexcept {
  const nanos deadline = add_saturating(current_time(), length);
  const stay_on_thread stay(true);
  try {
    detail::sleep_until(deadline);
    return 0;
  } catch (const canceled&) {
    return std::max<nanos>(deadline - current_time(), 1);
  }
}

void store_rest(timespec* rest, nanos left) noexcept {
  if (rest != nullptr) {
    *rest = {static_cast<std::time_t>(left / nanos_per_second), static_cast<long>(left % nanos_per_second)};
  }
}

}  // namespace
}  // namespace csp::inline v0::detail::hook

namespace hook = csp::detail::hook;
namespace real = csp::detail::real;
using csp::detail::nanos;

extern "C" {

CSP_API unsigned sleep(unsigned seconds) {
  if (!hook::in_task()) {
    return real::sleep(seconds);
  }
  const hook::errno_guard keep;
  const nanos left = hook::sleep_for(nanos{seconds} * hook::nanos_per_second);
  return static_cast<unsigned>((left + hook::nanos_per_second - 1) / hook::nanos_per_second);
}

CSP_API int usleep(useconds_t microseconds) {
  if (!hook::in_task()) {
    return real::usleep(microseconds);
  }
  hook::errno_guard keep;
  return hook::sleep_for(nanos{microseconds} * hook::nanos_per_microsecond) == 0 ? 0 : keep.fail(ECANCELED);
}

CSP_API int nanosleep(const timespec* length, timespec* rest) {
  if (!hook::in_task() || !hook::is_valid(length)) {
    return real::nanosleep(length, rest);
  }
  hook::errno_guard keep;
  const nanos left = hook::sleep_for(hook::to_length(*length));
  if (left == 0) {
    return 0;
  }
  hook::store_rest(rest, left);
  return keep.fail(ECANCELED);
}

CSP_API int clock_nanosleep(clockid_t clock, int flags, const timespec* length, timespec* rest) {
  const bool emulated = clock == CLOCK_MONOTONIC || (clock == CLOCK_REALTIME && flags == 0);
  if (!hook::in_task() || !hook::is_valid(length)) {
    return real::clock_nanosleep(clock, flags, length, rest);
  }
  if (!emulated) {
    // By a clock that may be set, or stands still at times: the kernel knows when its time has come.
    const hook::errno_guard keep;
    return hook::offload(hook::offload_to::lingering_calls,
                         [=] { return real::clock_nanosleep(clock, flags, length, rest); });
  }
  const hook::errno_guard keep;
  const bool absolute = (flags & TIMER_ABSTIME) != 0;
  const nanos wanted = hook::to_length(*length);
  const nanos left = hook::sleep_for(absolute ? wanted - csp::detail::read_clock(clock) : wanted);
  if (left == 0) {
    return 0;
  }
  if (!absolute) {
    hook::store_rest(rest, left);
  }
  return ECANCELED;
}

}  // extern "C"

CSP_HOOK_ALIAS(__nanosleep, nanosleep);
