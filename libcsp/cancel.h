// Cancellation as a task sees it.
//
// A task is asked to end by join_handle::cancel(), or when the function given to csp::run has returned. From then on
// its cancellation points throw csp::canceled: channel operations and select, sleep and yield, join, and the waits of
// wait_group, semaphore and condition_variable (which throws with the mutex locked). Not cancellation points:
// mutex::lock, the try_ forms, and a csp::blocking call that has started. While the task unwinds, or in a csp::shield,
// nothing throws: the operation waits.
#pragma once

#include "sched/base/config.h"
#include "sched/canceled.h"

namespace csp::inline v0 {

/// While one lives, the calling task's cancellation points do not throw; they wait as if nobody had asked. For a step
/// that must not be left halfway. Nests. In a plain thread it does nothing. Made and destroyed by the same task.
class CSP_API shield {
 public:
  shield() noexcept;
  ~shield();
  shield(const shield&) = delete;
  shield& operator=(const shield&) = delete;
};

}  // namespace csp::inline v0
