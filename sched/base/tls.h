// libcsp's own thread-locals, each behind an accessor that no compiler can cache over a stack switch.
//
// A task may resume on another thread than it parked on, so the address of a thread-local that was computed before a
// switch is wrong after it. x86-64 reads the variable with one asm statement that is evaluated afresh each time;
// elsewhere the accessor is a call that cannot be inlined.
#pragma once

#include "sched/base/config.h"
#include "sched/base/random.h"

#include <cstdint>

namespace csp::inline v0::detail {

class processor;
class thread_block;

}  // namespace csp::inline v0::detail

extern "C" {
/// The processor that the calling thread drives, or null. Written by set_this_processor() only.
extern CSP_API thread_local csp::detail::processor* csp_this_processor __attribute__((tls_model("initial-exec")));
}

namespace csp::inline v0::detail {

/// The processor that drives the calling thread; null in a plain thread.
CSP_ALWAYS_INLINE processor* this_processor() noexcept {
#if defined(__x86_64__)
  processor* result;
  asm volatile("movq csp_this_processor@gottpoff(%%rip), %0\n\tmovq %%fs:(%0), %0" : "=r"(result));
  return result;
#else
  CSP_API processor* read_this_processor() noexcept;
  return read_this_processor();
#endif
}

/// Sets what this_processor() returns on the calling thread.
void set_this_processor(processor* value) noexcept;

/// The waiting block that belongs to the calling plain thread, made at the first call (may throw std::bad_alloc).
CSP_API thread_block& this_thread_block();

/// Random choices of a plain thread, which has no processor.
[[nodiscard]] random_source& this_thread_random() noexcept;

/// Locks held by the calling thread, a counter for each rank; used by the lock order check only.
std::uint16_t* held_locks() noexcept;

}  // namespace csp::inline v0::detail
