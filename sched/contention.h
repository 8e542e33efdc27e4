// Locks that tasks of several processors fight over. Each transfer of such a lock, and of what it guards, between two
// cores costs 50 to 100 ns, more than the operation itself; two processors that do nothing else are slower than one.
//
// So who meets a lock in other hands counts that; a task for which it happens all the time moves to the processor that
// it fights with, where the two take turns at full speed. Tasks that compute between their operations meet rarely, and
// stay.
#pragma once

#include "sched/base/spinlock.h"
#include "sched/base/tls.h"
#include "sched/processor.h"

namespace csp::inline v0::detail {

/// Counts that the running task met something in the hands of `rival`, a processor's signature. Where the task should
/// go, by processor::move_to(), if that happens all the time and there is a better place; else null. Any thread.
[[nodiscard]] CSP_API processor* weigh_contention(std::uint32_t rival) noexcept;

/// Notes that the running task has to wait for what is in the hands of `rival`: if it was stolen from there just now,
/// that was in vain. Any thread.
CSP_API void note_wait_for_rival(std::uint32_t rival) noexcept;

/// Takes a lock that was not free; `rival` is what spinlock::try_lock_as() returned. May switch to other tasks. With a
/// rival of 0 the lock was free and is held, and this is a simulation: others may come first.
CSP_API CSP_NOINLINE void lock_contended(spinlock& lock, std::uint32_t rival) noexcept;

/// How the calling thread signs the lock for one operation: by its processor, if it has one.
[[nodiscard]] CSP_ALWAYS_INLINE std::uint32_t signature(processor* here) noexcept {
  return here != nullptr ? here->sign_operation() : spinlock::anonymous;
}

/// Takes the lock of something that tasks share, so that rivals see where; for operations that never wait. Any thread;
/// `here` is this_processor().
CSP_ALWAYS_INLINE void lock_signed(spinlock& lock, processor* here) noexcept { lock.lock(signature(here)); }

/// The same at the start of an operation that may wait: the task may move to another processor first, holding no lock.
/// Afterwards `here` may be another one.
CSP_ALWAYS_INLINE void lock_shared(spinlock& lock, processor* here) noexcept {
  const std::uint32_t self = signature(here);
  const std::uint32_t rival = lock.try_lock_as(self);
  if ((rival | (self & processor::simulated_mark)) != 0) [[unlikely]] {
    lock_contended(lock, rival);
  }
}

}  // namespace csp::inline v0::detail
