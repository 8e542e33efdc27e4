// The core's cycle counter, which is read in less than half of the time that the clock takes: its reading costs no look
// at what the kernel knows of it, and no fence. So it tells how much has passed, roughly, and no more.
#pragma once

#include "sched/base/config.h"

#include <cstdint>

namespace csp::inline v0::detail {

/// True where the counter measures time: it is what the kernel's own clock goes by, so all cores agree on it and it
/// never stops; and it counts a billion a second at least, so that a difference is no less than the nanoseconds that
/// have passed. Any thread; the first call takes some 50 us.
[[nodiscard]] bool cycles_measure_time() noexcept;

/// The counter; 0 where there is none. The core may read it some instructions early.
[[nodiscard]] CSP_ALWAYS_INLINE std::uint64_t read_cycles() noexcept {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#else
  return 0;
#endif
}

}  // namespace csp::inline v0::detail
