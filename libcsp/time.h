// Sleeping and timers. All on the steady clock: setting the system's time wakes nobody early or late.
//
// What is given as a length counts from the call, by the clock. The limit of a wait (recv_for, on_timeout, wait_for and
// the like) of 100 ms and more may be rounded up, by less than a thousandth: the clock is not read for each of them.
//
// Nothing ends early. A processor that has fired sixteen timers and more between two sleeps, and waits for the next
// ones, lets them be late by up to 400 us, to fire many at once; by up to 50 us where some were armed for less than 8.4
// ms.
#pragma once

#include <libcsp/chan.h>

#include "channel/ticker_core.h"
#include "sched/deadline.h"
#include "sched/park.h"

#include <chrono>
#include <utility>

namespace csp::inline v0 {
namespace detail {

CSP_API void sleep_for(nanos length);

}  // namespace detail

/// The clock of all deadlines: std::chrono::steady_clock, with its time points, but in a simulation (libcsp/testing.h)
/// the virtual time. Meets the Clock requirements of the standard.
struct CSP_API clock {
  using duration = std::chrono::steady_clock::duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::steady_clock::time_point;
  static constexpr bool is_steady = true;
  /// Now. Any task or thread; does not block.
  [[nodiscard]] static time_point now() noexcept {
    return time_point(std::chrono::nanoseconds(detail::current_time()));
  }
};

/// Lets other tasks run; returns at once when there are none. In a plain thread it is std::this_thread::yield().
/// A cancellation point.
CSP_ALWAYS_INLINE void yield() { detail::yield(); }

/// Sleeps until `deadline`; one that has passed makes it a yield(). The task waits, the thread goes on with others.
/// A cancellation point. Any task or thread.
CSP_API void sleep_until(clock::time_point deadline);

/// Sleeps for `length`; zero or less is a yield(), duration::max() is for ever (until cancelled).
template <class Rep, class Period>
void sleep_for(std::chrono::duration<Rep, Period> length) {
  detail::sleep_for(detail::to_nanos(length));
}

/// Sends the time on its channel again and again, in a fixed rhythm. The channel holds one tick: a slow receiver misses
/// ticks, they do not pile up. After Go's time.Ticker. Thread-safe but for destruction. Must be made in a task, or in a
/// plain thread while csp::run is at work (else std::logic_error).
class CSP_API ticker {
 public:
  /// Ticks every `period` from now on. \throws std::invalid_argument when the period is not above zero
  template <class Rep, class Period>
  explicit ticker(std::chrono::duration<Rep, Period> period) : ticker(detail::to_nanos(period), nullptr) {}
  ~ticker();
  ticker(const ticker&) = delete;
  ticker& operator=(const ticker&) = delete;

  /// Where the ticks arrive. Stopping does not close it.
  [[nodiscard]] receiver<clock::time_point> channel() const;
  /// No tick is sent after this; one may lie in the channel.
  void stop() noexcept;
  /// Starts again: the next tick comes one `period` from now. A tick that lies in the channel stays.
  template <class Rep, class Period>
  void reset(std::chrono::duration<Rep, Period> period) {
    restart(detail::to_nanos(period));
  }

 private:
  ticker(detail::nanos period, std::nullptr_t);
  void restart(detail::nanos period);

  detail::ticker_core* core_;
};

namespace detail {
/// The period, or std::invalid_argument when it is not above zero.
CSP_API nanos checked_period(nanos period);
/// Sends the time at `first` and then every `period`; 0: only once.
CSP_API receiver<csp::clock::time_point> make_ticks(nanos first, nanos period);
}  // namespace detail

/// A channel on which the time is sent once, `delay` from now. Go's time.After. Nothing needs to be stopped: the timer
/// lives on until it fires, whether the channel is still used or not.
template <class Rep, class Period>
[[nodiscard]] receiver<clock::time_point> after(std::chrono::duration<Rep, Period> delay) {
  return detail::make_ticks(detail::deadline_after(delay), 0);
}

/// A channel on which the time is sent every `period`, for as long as the scheduler runs. Use csp::ticker for one that
/// can be stopped. Go's time.Tick. \throws std::invalid_argument when the period is not above zero
template <class Rep, class Period>
[[nodiscard]] receiver<clock::time_point> tick(std::chrono::duration<Rep, Period> period) {
  const detail::nanos every = detail::checked_period(detail::to_nanos(period));
  return detail::make_ticks(detail::add_saturating(detail::current_time(), every), every);
}

}  // namespace csp::inline v0
