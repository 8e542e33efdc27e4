#include <libcsp/select.h>


namespace csp::inline v0::detail {

int select_plan::run(std::span<select_arm> arms, std::span<spinlock*> locks) const {
  const int outcome = run_select(arms, locks, deadline, otherwise_index < 0);
  if (outcome == select_would_block) {
    return otherwise_index;
  }
  return outcome == select_timeout ? timeout_index : outcome;
}

}  // namespace csp::inline v0::detail
