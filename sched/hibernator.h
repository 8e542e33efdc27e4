// When stacks are put to sleep: the rounds of one scheduler's monitor through the hibernating stacks of its tasks.
//
// While something runs, a part of a round is done at each look of the monitor. When all is parked nothing changes any
// more but by time, so rounds end with the first one that finds nobody who has yet to wait longer: an idle program
// makes no periodic wake-ups. One thread at a time: the monitor.
#pragma once

#include "sched/base/clock.h"
#include "sched/hibernation.h"

#include <cstdint>

namespace csp::inline v0::detail {

class scheduler_core;

class hibernator {
 public:
  explicit hibernator(scheduler_core& core) noexcept : core_(core) {}

  /// Does a part of a round. `slept`: since the last call all processors were parked.
  void work(nanos now, bool slept) noexcept;

  /// False while no stack could be put to sleep. Any thread.
  [[nodiscard]] bool in_use() const noexcept;

  /// When work() is due while all is parked; `never` when it would find nothing.
  [[nodiscard]] nanos due(nanos now) const noexcept;

  /// Before a start.
  void reset() noexcept;

 private:
  /// Of one part: the monitor has others to look after, every millisecond when work is waiting.
  static constexpr nanos longest_part = 1'000'000;

  scheduler_core& core_;
  hibernation::position where_;
  bool begun_ = false;          // a round is under way
  bool slept_through_ = false;  // and nothing has run since it began
  bool young_ = false;          // and it has met somebody who has to wait longer
  bool settled_ = false;        // the last round, through which all was parked, has left nothing to do
};

}  // namespace csp::inline v0::detail
