// The timers of one processor. Those that are due soon, and one that is alone, lie in a pairing heap (Fredman,
// Sedgewick, Sleator, Tarjan 1986), in the order of their times; the others in a timing wheel (timer_wheel.h), which
// costs less and touches less memory. Both are intrusive, so arming a timer allocates nothing and cannot fail. Arming
// is O(1), disarming O(1) in the wheel; firing moves a timer through few slots, and is O(log n) in the heap.
//
// Invariants
// - All links are guarded by the lock; `earliest()` may be read by anybody at any time.
// - A timer is decided under the lock: it fires (its wait is claimed) or it is disarmed, never both; after disarm()
//   has returned, the heap does not touch the timer again.
// - Timers fire in the order of their times, never early: the heap's first one fires when it is due and nothing in the
//   wheel may be earlier.
#pragma once

#include "sched/base/atomic.h"
#include "sched/base/clock.h"
#include "sched/base/spinlock.h"
#include "sched/timer.h"
#include "sched/timer_wheel.h"

#include <cstddef>
#include <cstdint>

namespace csp::inline v0::detail {

class CSP_API timer_heap {
 public:
  /// Puts a timer into the heap. Any thread. True when it has become the earliest one.
  bool arm(timer& item) noexcept;

  /// Takes a timer out; false when it has fired or was never armed. Any thread.
  bool disarm(timer& item) noexcept;

  /// Fires what is due at `now`, at most `limit` timers: owners of won waits are made ready, callbacks are called.
  /// The number of timers taken out. The processor itself, or a thief. Holding no lock.
  std::uint32_t fire_due(nanos now, std::uint32_t limit) noexcept;

  /// Takes out everything, when the scheduler has stopped: callbacks are told so. The number of waits among them: a
  /// wait that ends takes its timer out, so there is none unless tasks were given up.
  std::size_t clear() noexcept;

  /// How many timers are armed. Any thread; takes as long as there are many.
  [[nodiscard]] std::size_t size() noexcept;

  /// When to look again: when the earliest timer is due, or somewhat before, if the earliest one of a slot was
  /// disarmed; `never` when there is none. Any thread; a glance.
  [[nodiscard]] nanos earliest() const noexcept { return earliest_.load(std::memory_order_relaxed); }

  /// When the last one is due of those that were armed for a short time, up to 8.4 ms; in the past if there is none.
  /// Any thread; a glance.
  [[nodiscard]] nanos brief_until() const noexcept { return brief_until_.load(std::memory_order_relaxed); }

 private:
  /// So many are claimed under the lock before they are made ready without it: what a local queue has room for.
  static constexpr std::uint32_t most_at_once = CSP_SHRUNK(16, 2);
  /// So many are moved out of a slot before the lock is given to others: some 20 us when each is a cache miss.
  static constexpr std::uint32_t most_moved = CSP_SHRUNK(256, 1);

  static timer* meld(timer* a, timer* b) noexcept;
  static timer* merge_children(timer& item) noexcept;
  void unlink(timer& item) noexcept;
  void put_near(timer& item) noexcept;
  void take_out(timer& item) noexcept;
  [[nodiscard]] bool advance(nanos now) noexcept;
  void publish_earliest() noexcept;

  spinlock lock_{lock_rank::timers};
  timer* root_ = nullptr;  // of the heap
  timer_wheel wheel_;
  atomic<nanos> earliest_{never};
  atomic<nanos> stale_at_{0};  // the wheel's
  atomic<nanos> brief_until_{0};
};

}  // namespace csp::inline v0::detail
