// Compiler and platform vocabulary: export macro, cache line, spin hint.
//
// The only macros of the project are CSP_*; this file owns those that every layer needs.
#pragma once

#include <cstddef>

/// Marks a symbol that users link against; everything else is hidden in a shared build.
#define CSP_API __attribute__((visibility("default")))

/// A function whose inlining would put cold code or a thread-local address on a hot path.
#define CSP_NOINLINE __attribute__((noinline))

/// A function that must become part of its caller: a stack switch, or a step counted in instructions.
#define CSP_ALWAYS_INLINE inline __attribute__((always_inline))

namespace csp::inline v0::detail {

/// Distance that keeps two writers off one cache line on x86-64 and aarch64.
inline constexpr std::size_t cache_line = 64;

#if !defined(CSP_ATOMICS_HEADER)  // else that header has it (sched/base/atomic.h)
/// Tells the core that this is a spin loop. Any thread.
CSP_ALWAYS_INLINE void cpu_relax() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}
#endif

}  // namespace csp::inline v0::detail
