// A wait in any number of queues, with a deadline: for select, for timed operations and for sleep.
//
// The wait is decided by one compare-and-swap on its word, so queues, the timer and a canceller may race. Its commit
// reads the waiter's frame until its end; a waiter that is woken meanwhile waits for that before it returns. The timer
// is the task's own (task::alarm): it is armed by the commit, and has fired or is disarmed before the wait returns.
#pragma once

#include "sched/base/atomic.h"
#include "sched/base/clock.h"
#include "sched/exclusive_wait.h"
#include "sched/timer_heap.h"

#include <cstdint>
#include <span>

namespace csp::inline v0::detail {

/// The waiter of the calling task, or of the calling plain thread (its first call may throw std::bad_alloc).
[[nodiscard]] CSP_API waiter& calling_waiter();

/// The caller links nodes with `owner` and `ticket` taken from here, holding the locks of their queues.
struct open_wait {
  /// Prepares the calling task's or thread's next open wait.
  explicit open_wait(wait_kind why) : owner(calling_waiter()), ticket(owner.next_ticket()), kind(why) {}

  waiter& owner;
  const std::uint64_t ticket;
  wait_kind kind;
  nanos deadline = never;
  std::span<spinlock* const> locks;  // held; released in this order, each once
  bool cancellable = true;
  release_function before_unlock = nullptr;  // as in queue_wait
  void* argument = nullptr;
};

/// What the commit of an open wait needs; in the waiter's frame.
struct open_commit {
  open_wait& request;
  atomic<bool> pending{true};
};

/// The commit of an open wait; on another stack than the waiter's.
CSP_API void commit_open(processor& here, task* left, void* argument) noexcept;
/// The same wait in a plain thread.
[[nodiscard]] CSP_API CSP_NOINLINE wake_reason wait_as_thread(open_wait& request);
/// Waits for the last instructions of a commit on another thread.
CSP_API CSP_NOINLINE void await_commit(const atomic<bool>& pending) noexcept;

/// Waits until a node is taken, the deadline has passed or the task is cancelled. The caller unlinks the nodes that did
/// not win, unless it has only one and that won.
[[nodiscard]] CSP_ALWAYS_INLINE wake_reason wait_open(open_wait& request) {
  if (!request.owner.is_task()) [[unlikely]] {
    return wait_as_thread(request);
  }
  processor* const here = this_processor();
  task& self = *here->current();
  request.cancellable = request.cancellable && may_cancel(*here, self);
  open_commit state{request};
  note_wait(*here, self, request.kind);
  here->park(commit_open, &state);
  self.waits_for.set(wait_kind::none);
  // [OC2] acquire: pairs with [OC1] in commit_open().
  if (state.pending.load(std::memory_order_acquire)) [[unlikely]] {
    await_commit(state.pending);
  }
  const wake_reason outcome = self.outcome();
  if (request.deadline != never && outcome != wake_reason::timeout) {
    self.alarm.heap->disarm(self.alarm);
  }
  return outcome;
}

}  // namespace csp::inline v0::detail
