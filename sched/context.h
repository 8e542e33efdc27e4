// One stack that can be left and resumed, on Boost.Context's fcontext. Only sched/switch.h jumps.
#pragma once

#include "sched/base/sanitizer.h"

namespace csp::inline v0::detail {

struct context {
  void* resume_point = nullptr;  // Boost's fcontext_t; null: not started
  sanitizer::fiber fiber;
};

}  // namespace csp::inline v0::detail
