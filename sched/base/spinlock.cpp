#include "sched/base/spinlock.h"

#include "sched/base/futex.h"

namespace csp::inline v0::detail {
namespace {

// About 2 us of pauses: longer than any critical section under a spinlock, shorter than a context switch of the OS.
constexpr int spin_limit = CSP_SHRUNK(64, ::model::spins);

}  // namespace

spinlock::table_entry spinlock::table_[spinlock::table_size];
spinlock::table_entry spinlock::all_sleepers_;

void spinlock::lock_slowly(std::uint32_t who) noexcept {
  for (int spin = 0; spin < spin_limit; ++spin) {
    cpu_relax();
    // [L1] acquire: pairs with [L2] in unlock().
    if (word_.load(std::memory_order_relaxed) == 0 && word_.exchange(who, std::memory_order_acquire) == 0) {
      return;
    }
  }
  atomic<std::uint32_t>& sleepers = sleepers_of(&word_);
  sleepers.fetch_add(1, std::memory_order_relaxed);
  all_sleepers_.sleepers.fetch_add(1, std::memory_order_relaxed);
  // Pairs with the light fence in unlock(), for both counts.
  asymmetric_fence::heavy();
  // [L1] acquire: pairs with [L2] in unlock().
  while (word_.exchange(who, std::memory_order_acquire) != 0) {
    static_cast<void>(futex_wait_until(word_, who, never));
  }
  all_sleepers_.sleepers.fetch_sub(1, std::memory_order_relaxed);
  sleepers.fetch_sub(1, std::memory_order_relaxed);
}

void spinlock::wake_sleepers(atomic<std::uint32_t>* word) noexcept {
  if (sleepers_of(word).load(std::memory_order_relaxed) != 0) {
    futex_wake(word, 1);  // an address only: the lock may be gone
  }
}

}  // namespace csp::inline v0::detail
