// A one-shot event that some wait for: the end of a task, or of a blocking call.
//
// The party that finishes touches nothing of the object after its unlock, and each waiter is made ready after that; so
// a waiter may destroy the object as soon as its wait returns.
#pragma once

#include "sched/base/spinlock.h"
#include "sched/task.h"
#include "sched/wait_queue.h"

namespace csp::inline v0::detail {

class CSP_API completion {
 public:
  /// Marks the end and wakes who waits. Once. Any thread or task; everything it did before is seen after wait().
  void finish() noexcept;

  /// Waits for finish(). False when the calling task was cancelled first (only if `cancellable`). Any thread or task.
  [[nodiscard]] bool wait(wait_kind kind, bool cancellable);

 private:
  spinlock lock_{lock_rank::join};
  wait_queue waiting_;  // guarded by lock_
  bool done_ = false;   // guarded by lock_
};

}  // namespace csp::inline v0::detail
