// How a task or a plain thread waits: the one way for channels, select, timers, joins and locks.
//
// The caller holds the locks of the queues in which it has linked its nodes; the wait releases them, in a task only
// after its stack has been left. Rivals therefore never meet a waiter that still runs.
#pragma once

#include "sched/base/clock.h"
#include "sched/base/futex.h"
#include "sched/base/spinlock.h"
#include "sched/base/tls.h"
#include "sched/canceled.h"
#include "sched/exclusive_wait.h"
#include "sched/open_wait.h"
#include "sched/processor.h"
#include "sched/wait_queue.h"

namespace csp::inline v0::detail {

/// True when a cancellation point of the task that runs here must throw: it was asked to end, is not shielded and does
/// not unwind. False in a plain thread.
[[nodiscard]] CSP_ALWAYS_INLINE bool must_cancel(const processor& here, const task& self) noexcept {
  return self.cancel_requested() && may_cancel(here, self);
}
/// The same for whoever calls.
[[nodiscard]] CSP_ALWAYS_INLINE bool must_cancel(const processor* here) noexcept {
  const task* const self = here != nullptr ? here->current() : nullptr;
  return self != nullptr && must_cancel(*here, *self);
}

/// The check that every cancellation point makes first.
CSP_ALWAYS_INLINE void cancellation_point(const processor* here) {
  if (must_cancel(here)) [[unlikely]] {
    throw canceled();
  }
}
CSP_ALWAYS_INLINE void cancellation_point() { cancellation_point(this_processor()); }

/// In a simulation: others may come first. For operations on what tasks share that do not sign a lock (contention.h).
CSP_ALWAYS_INLINE void scheduling_point() noexcept {
  processor* const here = this_processor();
  if (here != nullptr && here->is_simulated()) [[unlikely]] {
    here->interleave();
  }
}

/// open_wait's wait (sched/open_wait.h), for callers that are not hot.
[[nodiscard]] CSP_API wake_reason wait(open_wait& request);

/// Sleeps until `deadline`. Throws canceled.
CSP_API void sleep_until(nanos deadline);

/// Waits for ever (a nil channel); ends only by cancellation, which it throws.
[[noreturn]] CSP_API void wait_for_ever();

/// Lets other tasks run; in a plain thread, other threads. Throws canceled.
CSP_ALWAYS_INLINE void yield() {
  processor* const here = this_processor();
  task* const self = here != nullptr ? here->current() : nullptr;
  if (self == nullptr) [[unlikely]] {
    yield_thread();
    return;
  }
  if (must_cancel(*here, *self)) [[unlikely]] {
    throw canceled();
  }
  here->yield(*self);
}

/// Now, by the clock of the calling task's scheduler; the steady clock in a plain thread.
[[nodiscard]] CSP_API nanos current_time() noexcept;

}  // namespace csp::inline v0::detail
