// The order in which locks are taken, in one list. A thread takes locks in rising rank; several channels at once (a
// select) are taken in rising channel id. With CSP_CHECKED defined (debug and sanitizer builds; a public definition of
// the build target, so that all code agrees) a breach is fatal.
#pragma once

#include "sched/base/config.h"

#include <cstdint>

namespace csp::inline v0::detail {

enum class lock_rank : std::uint8_t {
  scheduler_registry,  // the list of schedulers
  join,                // the end of one task
  condition,           // a condition variable, held while its mutex is released
  mutex,               // a csp::mutex
  ticker,              // a ticker's state, held while its tick goes into the channel
  readiness,           // who waits for one direction of a file descriptor
  channel,             // a channel, a semaphore or a wait group; several channels in id order
  timers,              // a processor's timer heap
  idle,                // the list of parked processors
  queue,               // an inbox, an overflow list, the list of tasks made ready from outside
  arena,               // cells and stacks
  count,
};

#if defined(CSP_CHECKED)
/// Records that the calling thread takes a lock; fatal when the order is broken.
CSP_API void note_locked(lock_rank rank) noexcept;
/// Records that the calling thread gives a lock back.
CSP_API void note_unlocked(lock_rank rank) noexcept;
/// Fatal when the calling thread holds any lock. `where` names the operation.
CSP_API void require_no_locks(const char* where) noexcept;
#else
CSP_ALWAYS_INLINE void note_locked(lock_rank) noexcept {}
CSP_ALWAYS_INLINE void note_unlocked(lock_rank) noexcept {}
CSP_ALWAYS_INLINE void require_no_locks(const char*) noexcept {}
#endif

}  // namespace csp::inline v0::detail
