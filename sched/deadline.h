// Deadlines from lengths of time, by the clock of the calling task's scheduler; the steady clock in a plain thread.
#pragma once

#include "sched/base/clock.h"
#include "sched/base/config.h"
#include "sched/base/tls.h"
#include "sched/park.h"
#include "sched/processor.h"

#include <chrono>

namespace csp::inline v0::detail {

/// When `length` will have passed: for what is to happen then.
template <class Rep, class Period>
[[nodiscard]] nanos deadline_after(std::chrono::duration<Rep, Period> length) noexcept {
  return add_saturating(current_time(), to_nanos(length));
}

/// The deadline of a wait that may last for `limit`: never early, and late by a thousandth of it at the most, as Linux
/// allows itself with select(2) and poll(2). Most such waits end long before, so they do not read the clock each time.
template <class Rep, class Period>
[[nodiscard]] CSP_ALWAYS_INLINE nanos limit_after(std::chrono::duration<Rep, Period> limit) noexcept {
  constexpr nanos least_rounded = 1000 * time_bound::most_ahead;
  const nanos length = to_nanos(limit);
  processor* const here = this_processor();
  if (here == nullptr || length < least_rounded) {
    return add_saturating(current_time(), length);
  }
  return add_saturating(here->time_from_now_on(), length);
}

}  // namespace csp::inline v0::detail
