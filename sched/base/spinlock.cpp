#include "sched/base/spinlock.h"

#include "sched/base/atomic.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cerrno>

namespace csp::inline v0::detail {
namespace {

// About 2 us of pauses: longer than any critical section under a spinlock, shorter than a context switch of the OS.
constexpr int spin_limit = 64;

}  // namespace

spinlock::table_entry spinlock::table_[spinlock::table_size];

void spinlock::lock_slowly(std::uint32_t who) noexcept {
  for (int spin = 0; spin < spin_limit; ++spin) {
    cpu_relax();
    // [L1] acquire: pairs with [L2] in unlock().
    if (word_.load(std::memory_order_relaxed) == 0 && word_.exchange(who, std::memory_order_acquire) == 0) {
      return;
    }
  }
  atomic<std::uint32_t>& sleepers = sleepers_of(this);
  sleepers.fetch_add(1, std::memory_order_relaxed);
  // Pairs with the light fence in unlock().
  asymmetric_fence::heavy();
  // [L1] acquire: pairs with [L2] in unlock().
  const int saved = errno;  // it belongs to the task
  while (word_.exchange(who, std::memory_order_acquire) != 0) {
    ::syscall(SYS_futex, &word_, FUTEX_WAIT_PRIVATE, who, nullptr, nullptr, 0);
  }
  errno = saved;
  sleepers.fetch_sub(1, std::memory_order_relaxed);
}

void spinlock::wake_sleepers(atomic<std::uint32_t>* word) noexcept {
  // The word is used as an address only; its memory may be gone, and a stray wake is harmless.
  const int saved = errno;
  ::syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  errno = saved;
}

}  // namespace csp::inline v0::detail
