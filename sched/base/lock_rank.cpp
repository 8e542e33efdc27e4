#include "sched/base/lock_rank.h"

#if defined(CSP_CHECKED)

#include <atomic>

#include "sched/base/fatal.h"
#include "sched/base/tls.h"

namespace csp::inline v0::detail {
namespace {

// The counters are the thread's own; its tasks, which a sanitizer takes for threads, use them in turn.
std::uint16_t read(std::uint16_t& counter) noexcept {
  return std::atomic_ref<std::uint16_t>(counter).load(std::memory_order_relaxed);
}
void write(std::uint16_t& counter, int value) noexcept {
  std::atomic_ref<std::uint16_t>(counter).store(static_cast<std::uint16_t>(value), std::memory_order_relaxed);
}

}  // namespace

void note_locked(lock_rank rank) noexcept {
  std::uint16_t* const held = held_locks();
  for (unsigned above = static_cast<unsigned>(rank); above < static_cast<unsigned>(lock_rank::count); ++above) {
    const bool same = above == static_cast<unsigned>(rank);
    if (read(held[above]) != 0 && !(same && rank == lock_rank::channel)) {
      fatal("lock order broken");
    }
  }
  std::uint16_t& counter = held[static_cast<unsigned>(rank)];
  write(counter, read(counter) + 1);
}

void note_unlocked(lock_rank rank) noexcept {
  std::uint16_t& counter = held_locks()[static_cast<unsigned>(rank)];
  require(read(counter) != 0, "a lock was released that this thread does not hold");
  write(counter, read(counter) - 1);
}

void require_no_locks(const char* where) noexcept {
  std::uint16_t* const held = held_locks();
  for (unsigned rank = 0; rank < static_cast<unsigned>(lock_rank::count); ++rank) {
    if (read(held[rank]) != 0) {
      fatal("a lock is held over", where);
    }
  }
}

}  // namespace csp::inline v0::detail

#endif
