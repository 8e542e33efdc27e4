// Keeping a task on its thread for a while: below frames that may have cached the address of a thread-local, or whose
// callers compare threads.
#pragma once

#include "sched/base/config.h"

namespace csp::inline v0::detail {

struct task;

/// While it lives, the calling task comes back to this thread when it waits. Nests. Nothing in a plain thread, and
/// nothing more for a task that stays already (a pinned one). Made and destroyed by the same task.
class CSP_API stay_on_thread {
 public:
  explicit stay_on_thread(bool wanted) noexcept;
  ~stay_on_thread();
  stay_on_thread(const stay_on_thread&) = delete;
  stay_on_thread& operator=(const stay_on_thread&) = delete;

 private:
  task* held_ = nullptr;  // the task that it made stay
};

}  // namespace csp::inline v0::detail
