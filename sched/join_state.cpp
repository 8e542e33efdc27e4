#include "sched/base/tls.h"
#include "sched/canceled.h"
#include "sched/spawn.h"

#include <stdexcept>

namespace csp::inline v0::detail {

void await_end(task& target) {
  const processor* const here = this_processor();
  if (here != nullptr && here->current() == &target) {
    throw std::logic_error("csp::join_handle: a task cannot join itself");
  }
  auto& join = *static_cast<join_state*>(target.payload());
  if (!join.end.wait(wait_kind::join, true)) {
    throw canceled();
  }
}

}  // namespace csp::inline v0::detail
