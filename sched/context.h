// One stack that can be left and resumed, on Boost.Context's fcontext. Only sched/switch.h jumps.
#pragma once

#include "sched/base/relaxed.h"
#include "sched/base/sanitizer.h"

namespace csp::inline v0::detail {

struct context {
  relaxed<void*> resume_point;  // Boost's fcontext_t; null: not started
  sanitizer::fiber fiber;
};

}  // namespace csp::inline v0::detail
