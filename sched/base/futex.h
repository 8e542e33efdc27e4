// How a thread waits in the kernel: for a word of memory to change, or just for its next turn.
#pragma once

#include "sched/base/atomic.h"
#include "sched/base/clock.h"
#include "sched/base/config.h"

#include <cstdint>

namespace csp::inline v0::detail {

/// Waits while the word holds `expected`, until `deadline` (steady clock). False when the deadline passed; true may be
/// for nothing. errno is kept.
bool futex_wait_until(atomic<std::uint32_t>& word, std::uint32_t expected, nanos deadline) noexcept;

/// Wakes up to `count` waiters. The word is an address only: its memory may be gone, and a stray wake is harmless.
/// errno is kept.
void futex_wake(const atomic<std::uint32_t>* word, int count) noexcept;

/// Lets other threads run: the yield of a plain thread, and of one that waits for a few instructions of another one.
CSP_API void yield_thread() noexcept;

}  // namespace csp::inline v0::detail
