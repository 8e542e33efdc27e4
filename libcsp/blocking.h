// Calls that block the thread, run where that does no harm.
#pragma once

#include "sched/blocking_pool.h"

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace csp::inline v0 {

/// Runs `fn()` on a thread of the scheduler's blocking pool, while the calling task waits and its processor goes on
/// with others; returns its value or rethrows its exception. For file I/O and other calls that block in the kernel. The
/// pool grows when all of its threads are busy (to 1024; then calls wait in line), and idle threads end after some
/// seconds.
///
/// `fn` may use the caller's variables by reference: the caller's frame stays until it has returned. It runs outside
/// any task: csp operations in it act as in a plain thread, and errno is that thread's own. A cancellation point before
/// the call starts, not after. In a plain thread it simply calls `fn`. \throws std::system_error when no thread can be
/// made; `fn` was not called then
template <class F>
auto blocking(F&& fn) -> std::invoke_result_t<F&> {
  using result = std::invoke_result_t<F&>;
  constexpr bool has_value = !std::is_void_v<result>;
  static_assert(!std::is_reference_v<result>, "csp::blocking: return a pointer instead of a reference");
  struct call_frame : detail::blocking_call {
    explicit call_frame(F& callable) : target(callable) {}
    F& target;
    std::optional<std::conditional_t<has_value, result, bool>> value;
    std::exception_ptr error;
  } frame(fn);
  frame.run = [](detail::blocking_call& self) noexcept {
    auto& call = static_cast<call_frame&>(self);
    try {
      if constexpr (has_value) {
        call.value.emplace(call.target());
      } else {
        call.target();
      }
    } catch (...) {
      call.error = std::current_exception();
    }
  };
  detail::run_blocking(frame);
  if (frame.error != nullptr) {
    std::rethrow_exception(std::move(frame.error));
  }
  if constexpr (has_value) {
    return std::move(*frame.value);
  }
}

}  // namespace csp::inline v0
