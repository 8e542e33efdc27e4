#include <libcsp/cancel.h>

#include "sched/base/fatal.h"
#include "sched/base/tls.h"
#include "sched/processor.h"

namespace csp::inline v0 {
namespace {

detail::task* current_task() noexcept {
  const detail::processor* const here = detail::this_processor();
  return here != nullptr ? here->current() : nullptr;
}

}  // namespace

shield::shield() noexcept {
  if (detail::task* const self = current_task()) {
    ++self->shields;
  }
}

shield::~shield() {
  if (detail::task* const self = current_task()) {
    detail::require(self->shields != 0, "a csp::shield was destroyed by another task than its maker");
    --self->shields;
  }
}

}  // namespace csp::inline v0
