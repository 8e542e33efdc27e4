// How a task or a plain thread waits: the one way for channels, select, timers, joins and locks.
//
// The caller holds the locks of the queues in which it has linked its nodes; the wait releases them, in a task only
// after its stack has been left. Rivals therefore never meet a waiter that still runs.
#pragma once

#include "sched/base/clock.h"
#include "sched/base/spinlock.h"
#include "sched/base/tls.h"
#include "sched/canceled.h"
#include "sched/processor.h"
#include "sched/wait_queue.h"

#include <cstdint>
#include <span>

namespace csp::inline v0::detail {

/// True when a cancellation point of the calling task must throw: it was asked to end, is not shielded and does not
/// unwind. False in a plain thread.
[[nodiscard]] CSP_ALWAYS_INLINE bool must_cancel(const processor* here) noexcept {
  if (here == nullptr) {
    return false;
  }
  const task* const self = here->current();
  return self != nullptr && self->cancel_requested() && self->shields == 0 && here->thread_exceptions()->uncaught == 0;
}

/// The check that every cancellation point makes first.
CSP_ALWAYS_INLINE void cancellation_point(const processor* here) {
  if (must_cancel(here)) [[unlikely]] {
    throw canceled();
  }
}
CSP_ALWAYS_INLINE void cancellation_point() { cancellation_point(this_processor()); }

/// Waits in one queue, without a deadline. `lock` guards the queue, is held, and is released. The node is linked here,
/// at the tail; its slot and index are the caller's. Returns wake_reason::canceled (the node is out of the queue), or
/// first_case + node.index when a rival took it. From a task or a plain thread.
[[nodiscard]] CSP_API wake_reason wait_exclusive(wait_queue& queue, spinlock& lock, wait_node& node, wait_kind kind,
                                                 bool cancellable);
/// The same with more to say.
struct exclusive_wait {
  wait_queue& queue;
  spinlock& lock;
  wait_node& node;
  wait_kind kind;
  bool cancellable;
  bool at_front = false;  // keeps its turn after a wake in vain
  /// Runs under the lock, when the waiter's stack has been left and before anybody can wake it; whom it returns is made
  /// ready after the unlock.
  waiter* (*before_unlock)(void* argument) noexcept = nullptr;
  void* argument = nullptr;
};
[[nodiscard]] CSP_API wake_reason wait_exclusive(exclusive_wait& request);

/// A wait in any number of queues, with a deadline. The caller links nodes with `owner` and `ticket` taken from here.
struct open_wait {
  /// Prepares the calling task's or thread's next open wait.
  CSP_API explicit open_wait(wait_kind why);

  waiter& owner;
  const std::uint64_t ticket;
  wait_kind kind;
  nanos deadline = never;
  std::span<spinlock* const> locks;  // held; released in this order, each once
  bool cancellable = true;
  waiter* (*before_unlock)(void* argument) noexcept = nullptr;  // as in exclusive_wait
  void* argument = nullptr;
};

/// Waits until a node is taken, the deadline has passed or the task is cancelled. The caller unlinks the nodes that did
/// not win, unless it has only one and that won.
[[nodiscard]] CSP_API wake_reason wait(open_wait& request);

/// Sleeps until `deadline`. Throws canceled.
CSP_API void sleep_until(nanos deadline);

/// Waits for ever (a nil channel); ends only by cancellation, which it throws.
[[noreturn]] CSP_API void wait_for_ever();

/// Lets other tasks run; in a plain thread, other threads. Throws canceled.
CSP_API void yield();

/// Now, by the clock of the calling task's scheduler; the steady clock in a plain thread.
[[nodiscard]] CSP_API nanos current_time() noexcept;

}  // namespace csp::inline v0::detail
