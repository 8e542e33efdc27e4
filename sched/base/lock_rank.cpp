#include "sched/base/lock_rank.h"

#if defined(CSP_CHECKED)

#include "sched/base/fatal.h"
#include "sched/base/tls.h"

namespace csp::inline v0::detail {

void note_locked(lock_rank rank) noexcept {
  std::uint16_t* const held = held_locks();
  for (unsigned above = static_cast<unsigned>(rank); above < static_cast<unsigned>(lock_rank::count); ++above) {
    const bool same = above == static_cast<unsigned>(rank);
    if (held[above] != 0 && !(same && rank == lock_rank::channel)) {
      fatal("lock order broken");
    }
  }
  ++held[static_cast<unsigned>(rank)];
}

void note_unlocked(lock_rank rank) noexcept {
  std::uint16_t& held = held_locks()[static_cast<unsigned>(rank)];
  require(held != 0, "a lock was released that this thread does not hold");
  --held;
}

void require_no_locks(const char* where) noexcept {
  const std::uint16_t* const held = held_locks();
  for (unsigned rank = 0; rank < static_cast<unsigned>(lock_rank::count); ++rank) {
    if (held[rank] != 0) {
      fatal("a lock is held over", where);
    }
  }
}

}  // namespace csp::inline v0::detail

#endif
