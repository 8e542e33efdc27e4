// Keeping a task on its thread for a while: below frames that may have cached the address of a thread-local, or whose
// callers compare threads.
#pragma once

#include "sched/base/tls.h"
#include "sched/processor.h"

namespace csp::inline v0::detail {

/// While it lives, the calling task comes back to this thread when it waits. Nests. Nothing in a plain thread, and
/// nothing more for a task that stays already (a pinned one). Made and destroyed by the same task. Inlined, for it
/// stands around waits (switch_task.h).
class stay_on_thread {
 public:
  explicit CSP_ALWAYS_INLINE stay_on_thread(bool wanted) noexcept {
    if (!wanted) {
      return;
    }
    processor* const here = this_processor();
    if (here != nullptr && here->current() != nullptr && here->current()->home == nullptr) {
      held_ = here->current();
      held_->home = here;
      here->hold(1);
    }
  }
  CSP_ALWAYS_INLINE ~stay_on_thread() {
    if (held_ != nullptr) {
      held_->home = nullptr;
      this_processor()->hold(-1);
    }
  }
  stay_on_thread(const stay_on_thread&) = delete;
  stay_on_thread& operator=(const stay_on_thread&) = delete;

 private:
  task* held_ = nullptr;  // the task that it made stay
};

}  // namespace csp::inline v0::detail
