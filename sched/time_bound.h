// A time that is not before now, for less than it costs to read the clock: for the limits of waits, most of which end
// long before. The clock is read now and then; in between the cycle counter tells what may have passed since.
//
// Invariant: a cycle counts as a nanosecond, and takes no longer (cycle_counter.h). So the bound is never early; it is
// ahead by the difference of the two.
#pragma once

#include "sched/base/clock.h"
#include "sched/base/config.h"
#include "sched/base/cycle_counter.h"
#include "sched/base/relaxed.h"

#include <cstdint>

namespace csp::inline v0::detail {

class time_bound {
 public:
  /// How far it is ahead of the clock at the most.
  static constexpr nanos most_ahead = 100'000;

  /// Forgets what it knows. `exact`: it is to be the clock's time from now on, for who owns time or has no such
  /// counter.
  void reset(bool exact) noexcept {
    exact_.set(exact);
    read_at_.set(0);
  }

  /// A time from now on, by a clock that `now()` reads, the same one in all calls. One thread at a time.
  template <class Clock>
  [[nodiscard]] CSP_ALWAYS_INLINE nanos get(const Clock& now) noexcept {
    if (exact_.get()) [[unlikely]] {
      return now();
    }
    // After a jump back of the counter, as of a machine that was moved, the difference is large, too.
    const std::uint64_t passed = read_cycles() - read_at_.get();
    if (passed < static_cast<std::uint64_t>(most_ahead)) [[likely]] {
      return time_.get() + static_cast<nanos>(passed);
    }
    read_at_.set(read_cycles());  // before the clock: what passes in between counts twice, not never
    time_.set(now());
    return time_.get();
  }

 private:
  relaxed<bool> exact_{true};
  relaxed<std::uint64_t> read_at_;
  relaxed<nanos> time_;  // of the clock, then
};

}  // namespace csp::inline v0::detail
