// Results of system calls without errno: the value, or the number of the error, negative.
//
// A task may go on on another thread after a wait, but a compiler takes the address of errno for a constant and keeps
// it over the wait. So code that may wait, and all that may be inlined into it, reads errno through last_errno() and
// hands errors on as values.
#pragma once

#include "sched/base/config.h"

#include <sys/types.h>
#include <system_error>

namespace csp::inline v0::detail {

/// The calling thread's errno, read afresh.
[[nodiscard]] CSP_API CSP_NOINLINE int last_errno() noexcept;

/// The outcome of a call that answers -1 and sets errno.
[[nodiscard]] inline ssize_t outcome_of(ssize_t answer) noexcept { return answer >= 0 ? answer : -last_errno(); }
[[nodiscard]] inline int outcome_of(int answer) noexcept { return answer >= 0 ? answer : -last_errno(); }

/// The error of an outcome; none if it is a value.
[[nodiscard]] inline std::error_code error_in(ssize_t outcome) noexcept {
  return outcome < 0 ? std::error_code(static_cast<int>(-outcome), std::generic_category()) : std::error_code();
}

}  // namespace csp::inline v0::detail
