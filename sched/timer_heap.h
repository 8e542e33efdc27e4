// The timers of one processor: a pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986) that is intrusive, so arming
// a timer allocates nothing and cannot fail. Arming is O(1), disarming and firing O(log n) amortized.
//
// Invariants
// - All links are guarded by the heap's lock; `earliest()` may be read by anybody at any time.
// - A timer is decided under the lock: it fires (its wait is claimed) or it is disarmed, never both; after disarm()
//   has returned, the heap does not touch the timer again.
#pragma once

#include "sched/base/atomic.h"
#include "sched/base/clock.h"
#include "sched/base/spinlock.h"
#include "sched/waiter.h"

#include <cstddef>
#include <cstdint>

namespace csp::inline v0::detail {

class timer_heap;

/// One timer: ends an open wait, or hands itself to a callback. Lives in the waiting frame or in its ticker.
struct timer {
  /// `now` is `never` when the heap is cleared: the timer will not come again.
  using callback = void (*)(timer& self, nanos now) noexcept;

  nanos when = never;
  waiter* sleeper = nullptr;  // with ticket: whose wait it ends
  std::uint64_t ticket = 0;
  callback fire = nullptr;     // instead of a wait; called holding no lock
  timer_heap* heap = nullptr;  // where it was armed last

  timer* child = nullptr;
  timer* sibling = nullptr;
  timer* previous = nullptr;  // the left sibling, or the parent for a first child
  // In a heap. Written under the heap's lock; an owner that sees it fall may arm the timer afresh, in another heap.
  atomic<bool> armed{false};
};

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

  /// When the earliest timer is due; `never` when there is none. Any thread; a glance.
  [[nodiscard]] nanos earliest() const noexcept { return earliest_.load(std::memory_order_relaxed); }

 private:
  static timer* meld(timer* a, timer* b) noexcept;
  static timer* merge_children(timer& item) noexcept;
  void unlink(timer& item) noexcept;
  void publish_earliest() noexcept;

  spinlock lock_{lock_rank::timers};
  timer* root_ = nullptr;
  atomic<nanos> earliest_{never};
};

}  // namespace csp::inline v0::detail
