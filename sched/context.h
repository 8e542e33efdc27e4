// One stack that can be left and resumed, by the jump of sched/jump.h. Only sched/switch.h jumps.
#pragma once

#include "sched/base/relaxed.h"
#include "sched/base/sanitizer.h"

namespace csp::inline v0::detail {

struct context {
  relaxed<void*> resume_point;                   // where it was left; null: not started
  [[no_unique_address]] sanitizer::fiber fiber;  // empty in a plain build
};

}  // namespace csp::inline v0::detail
