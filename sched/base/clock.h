// Time, injected: a scheduler reads its clock through this seam, so that a simulator can own time. The clock is
// steady; stepping CLOCK_REALTIME never wakes anybody early or late.
#pragma once

#include "sched/base/config.h"

#include <chrono>
#include <concepts>
#include <cstdint>
#include <ctime>
#include <limits>

namespace csp::inline v0::detail {

/// Nanoseconds on the steady clock; the form in which the runtime keeps times.
using nanos = std::int64_t;

/// A deadline that never comes.
inline constexpr nanos never = std::numeric_limits<nanos>::max();

/// The seam: how a scheduler learns the time.
class CSP_API clock_source {
 public:
  clock_source() = default;
  clock_source(const clock_source&) = delete;
  clock_source& operator=(const clock_source&) = delete;
  virtual ~clock_source() = default;

  /// Now. Any thread; never goes back.
  [[nodiscard]] virtual nanos now() const noexcept = 0;
};

/// std::chrono::steady_clock, which is CLOCK_MONOTONIC.
[[nodiscard]] CSP_API nanos steady_now() noexcept;

/// The clock of the calling thread's CPU time, to be read by others.
[[nodiscard]] clockid_t this_thread_cpu_clock() noexcept;

/// Time on one of the system's clocks, or CPU time on one as above; 0 when its thread has ended.
[[nodiscard]] CSP_API nanos read_clock(clockid_t clock) noexcept;

/// The process's real clock source.
[[nodiscard]] CSP_API const clock_source& steady_source() noexcept;

/// `start + length`, saturating at `never`; a negative length is a time in the past.
[[nodiscard]] constexpr nanos add_saturating(nanos start, nanos length) noexcept {
  nanos sum = 0;
  if (__builtin_add_overflow(start, length, &sum)) {
    return length > 0 ? never : std::numeric_limits<nanos>::min();
  }
  return sum;
}

/// A duration of any period in nanoseconds, rounded up and saturating (duration::max() is `never`).
template <class Rep, class Period>
[[nodiscard]] constexpr nanos to_nanos(std::chrono::duration<Rep, Period> duration) noexcept {
  using ratio = std::ratio_divide<Period, std::nano>;
  if constexpr (std::integral<Rep> && ratio::den == 1) {
    nanos whole = 0;
    if (__builtin_mul_overflow(duration.count(), ratio::num, &whole)) {
      return duration.count() > 0 ? never : std::numeric_limits<nanos>::min();
    }
    return whole;
  }
  const auto scaled = static_cast<long double>(duration.count()) * static_cast<long double>(ratio::num) /
                      static_cast<long double>(ratio::den);
  if (!(scaled < static_cast<long double>(never))) {
    return never;
  }
  if (scaled <= static_cast<long double>(std::numeric_limits<nanos>::min())) {
    return std::numeric_limits<nanos>::min();
  }
  const auto whole = static_cast<nanos>(scaled);
  return static_cast<long double>(whole) < scaled ? whole + 1 : whole;
}

/// A point of the steady clock in the runtime's form.
template <class Duration>
[[nodiscard]] constexpr nanos to_nanos(std::chrono::time_point<std::chrono::steady_clock, Duration> time) noexcept {
  return to_nanos(time.time_since_epoch());
}

}  // namespace csp::inline v0::detail
