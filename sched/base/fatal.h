// The one way in which libcsp ends a program: a broken invariant or a misuse that cannot be reported as an
// exception. The message names the running task and its spawn site when there is one.
#pragma once

#include "sched/base/config.h"

#include <cstddef>

namespace csp::inline v0::detail {

/// Writes a description of the running task ("task 'x' spawned at file:line") into `buffer`; empty outside a task.
/// Must be async-signal-safe.
using context_describer = void (*)(char* buffer, std::size_t size) noexcept;

/// Registers the describer; the layer that owns tasks calls it during static initialization. Thread-safe.
CSP_API void set_context_describer(context_describer describer) noexcept;

/// Prints `csp: fatal: <message> [in <running task>]` on stderr and aborts. Any thread, any lock held.
[[noreturn]] CSP_API CSP_NOINLINE void fatal(const char* message) noexcept;

/// The same with a detail appended to the message after ": ".
[[noreturn]] CSP_API CSP_NOINLINE void fatal(const char* message, const char* detail) noexcept;

/// Dies with `message` unless `condition` holds. Always on: layouts and behaviour never depend on NDEBUG.
CSP_ALWAYS_INLINE void require(bool condition, const char* message) noexcept {
  if (!condition) [[unlikely]] {
    fatal(message);
  }
}

}  // namespace csp::inline v0::detail
