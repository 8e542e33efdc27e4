#include "sched/stay_on_thread.h"

#include "sched/base/tls.h"
#include "sched/processor.h"

namespace csp::inline v0::detail {

stay_on_thread::stay_on_thread(bool wanted) noexcept {
  processor* const here = this_processor();
  if (wanted && here != nullptr && here->current() != nullptr && here->current()->home == nullptr) {
    held_ = here->current();
    held_->home = here;
    here->hold(1);
  }
}

stay_on_thread::~stay_on_thread() {
  if (held_ != nullptr) {
    held_->home = nullptr;
    this_processor()->hold(-1);
  }
}

}  // namespace csp::inline v0::detail
