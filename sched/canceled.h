// The exception with which a cancelled task leaves its operations.
#pragma once

#include "sched/base/config.h"

namespace csp::inline v0 {

/// Thrown by a cancellation point (channel operation, select, sleep, yield, join, wait of a wait group, semaphore or
/// condition variable) of a task that was asked to end. Not derived from std::exception, so that `catch (const
/// std::exception&)` does not swallow it. When it leaves a cancelled task, the task ends quietly.
struct CSP_API canceled {};

}  // namespace csp::inline v0
