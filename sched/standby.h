// The monitor's sleep: it ends at a time that the processors move, so that going to work and parking again wakes nobody
// else.
//
// Invariant: while a processor works, the monitor is awake, or its sleep ends at most `longest_unwatched` after that
// processor went to work or the monitor looked last, however often others have put it off.
//   go to work: leave the idle set; read the time; bring it forward if it is too late.
//   put off:    see all parked, and count departures; under the lock set the time, fence, see all parked and none
//               departed since; else bring it forward again.
//   begin:      the monitor does the same; else it ticks.
// So who goes to work sees the later time, or who set it sees that somebody has gone to work. The lock keeps the order
// of what the kernel is told.
//
// The kernel's side is a timerfd. Without one, when there are no descriptors left, the sleep cannot be put off, and
// ends at once when it is brought forward.
#pragma once

#include "sched/base/atomic.h"
#include "sched/base/clock.h"
#include "sched/base/parker.h"
#include "sched/idle.h"

#include <cstdint>

namespace csp::inline v0::detail {

class standby {
 public:
  /// A processor that goes to work is looked after so soon at the latest.
  static constexpr nanos longest_unwatched = 10'000'000;

  /// Gets the descriptor, or gives it back. By who starts and stops the scheduler; nobody sleeps then.
  void open() noexcept;
  void close() noexcept;

  // --- the monitor
  // ----------------------------------------------------------------------------------------------------

  /// A watch begins: no put-off goes beyond its deadline.
  void limit(nanos deadline) noexcept;
  /// All were parked, of `in_service` processors, when `departures` were counted, before `at` was thought of: the next
  /// sleep ends at `at`, unless one of them moves that. False when one has gone to work since; then tick() follows.
  [[nodiscard]] bool begin(nanos at, std::uint64_t departures, const idle_set& idle, unsigned in_service) noexcept;
  /// The next sleep ends at `at`, or later when all have parked meanwhile.
  void tick(nanos at) noexcept;
  /// Until the time has come; may end early. What ring() is to tell is looked at after begin() or tick(), before this.
  void sleep() noexcept;

  // --- others
  // ---------------------------------------------------------------------------------------------------------

  /// Ends the sleep, or the next one, unless begin() or tick() comes later. Any thread.
  void ring() noexcept { bring_forward(0); }

  /// By a processor that goes to work, after it has left the idle set.
  void watch_from(nanos now) noexcept;
  /// True when the end is so near that it may be put off. Any thread; a glance.
  [[nodiscard]] bool is_near(nanos now) const noexcept;
  /// Puts the end off to `at`, if none has gone to work since, as for begin(). By a processor, after it has parked.
  void put_off(nanos now, nanos at, std::uint64_t departures, const idle_set& idle, unsigned in_service) noexcept;

 private:
  /// True when all are still parked. After a fence.
  [[nodiscard]] static bool stands_still(std::uint64_t departures, const idle_set& idle, unsigned in_service) noexcept {
    return idle.parked() >= in_service && idle.departures() == departures;
  }
  /// Under the lock.
  void set(nanos at) noexcept;
  void bring_forward(nanos at) noexcept;

  atomic<nanos> at_{0};  // when the sleep ends; written under lock_
  thread_mutex lock_;
  nanos limit_ = never;  // guarded by lock_
  int timer_ = -1;       // guarded by lock_; who sleeps on it has taken the number before
  futex_parker parker_;  // where it sleeps when there is none
};

}  // namespace csp::inline v0::detail
