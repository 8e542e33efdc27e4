// One timer: ends an open wait of its task, or hands itself to a callback. Each task has one of its own, for its waits;
// others lie in a counted object, such as a ticker.
#pragma once

#include "sched/base/atomic.h"
#include "sched/base/clock.h"

#include <cstdint>

namespace csp::inline v0::detail {

class timer_heap;
class waiter;

/// The links and the place are guarded by the lock of the heap that it is armed in; one cache line.
struct timer {
  /// `now` is `never` when the heap is cleared: the timer will not come again.
  using callback = void (*)(timer& self, nanos now) noexcept;

  nanos when = never;
  waiter* sleeper = nullptr;   // whose present wait it ends
  callback fire = nullptr;     // instead of a wait; called holding no lock
  timer_heap* heap = nullptr;  // where it was armed last

  // In the heap: `next` is the next sibling, `previous` the one before or, for a first child, the parent. In a slot of
  // the wheel: a doubly linked list.
  timer* next = nullptr;
  timer* previous = nullptr;
  timer* child = nullptr;  // in the heap; in the wheel one farther down its slot: it is prefetched, and no more
  std::uint16_t slot = 0;  // of the wheel; timer_wheel::nowhere: in the heap
  // Between arm() and its end. Written under the heap's lock; an owner that sees it fall may arm the timer afresh, in
  // another heap.
  atomic<bool> armed{false};
};

}  // namespace csp::inline v0::detail
