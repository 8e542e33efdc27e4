#include "sched/wait_queue.h"

namespace csp::inline v0::detail {

wait_node* wait_queue::claim_or_pop(wait_node& node) noexcept {
  wait_node* taken = &node;
  for (;;) {
    if (taken->ticket == 0) {
      taken->owner->claim_exclusive();
      return taken;
    }
    if (taken->owner->claim(*taken)) [[likely]] {
      return taken;
    }
    taken = head_.get();
    if (taken == nullptr) {
      return nullptr;
    }
    take_first(*taken);
  }
}

}  // namespace csp::inline v0::detail
