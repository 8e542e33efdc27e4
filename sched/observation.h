// What a processor knows of another one: as a thief of its victim, as one that is woken of its waker. It keeps one for
// each, and decides by it whom to rob (search.cpp), whom to leave alone (contention.cpp) and whose wakes to sleep
// through (sleep.cpp).
#pragma once

#include "sched/base/clock.h"

#include <cstdint>

namespace csp::inline v0::detail {

/// The owner's alone.
struct observation {
  /// One theft counts for no more than this, so that the average follows a change within some twenty thefts.
  static constexpr nanos most_gain = 8'000;

  std::uint64_t switches = 0;        // of the victim, when they were last seen to change
  nanos since = 0;                   // when that was
  nanos gain = most_gain;            // how long a task taken from it keeps us busy, smoothed
  nanos spared_until = 0;            // thefts did not pay: not before this time again
  nanos spare_time = 0;              // how long that was the last time
  nanos shunned_until = 0;           // its tasks and ours fought over a lock: not before this time
  nanos shun_time = 0;               // how long that was the last time
  std::uint32_t thefts_in_vain = 0;  // in a row: what was taken had to wait for its victim
  nanos dozes_until = 0;             // its wakes brought nothing: slept through before this time
  nanos doze_time = 0;               // how long that was the last time
  std::uint32_t wakes_in_vain = 0;   // in a row
  bool avoided = false;              // throughout the present sleep

  void shun(nanos now) noexcept;
};

}  // namespace csp::inline v0::detail
