// A spinlock of one word that may be unlocked by another stack than the one that locked it (the commit of a park).
//
// Unlocking is one plain release store and touches nothing of the lock afterwards, so the memory of a lock may die as
// soon as another party can know that it was unlocked. Spinning is bounded: then the waiter sleeps on a futex, so a
// preempted holder never burns its rival's time slice. Who sleeps is counted outside of the lock, all together and in a
// table indexed by address; the sleeper pays for that with an asymmetric fence.
//
// Ranks give the lock order (sched/base/lock_rank.h); checked where CSP_CHECKED is defined.
#pragma once

#include "sched/base/asymmetric_fence.h"
#include "sched/base/atomic.h"
#include "sched/base/config.h"
#include "sched/base/lock_rank.h"

#include <cstdint>

namespace csp::inline v0::detail {

class spinlock {
 public:
  /// Who locks, for those that do not say.
  static constexpr std::uint32_t anonymous = 1;

  explicit constexpr spinlock(lock_rank rank) noexcept : rank_(rank) {}
  spinlock(const spinlock&) = delete;
  spinlock& operator=(const spinlock&) = delete;

  /// Takes the lock. Any thread; locks of lower or equal rank must not be held, apart from equal ones in address-free
  /// id order as lock_rank.h allows.
  /// `who` (not 0) is what a rival may be told.
  CSP_ALWAYS_INLINE void lock(std::uint32_t who = anonymous) noexcept {
    note_locked(rank_);
    // [L1] acquire: pairs with [L2]; what the last holder wrote is visible.
    if (word_.exchange(who, std::memory_order_acquire) != 0) [[unlikely]] {
      lock_slowly(who);
    }
  }

  /// Takes the lock for `who` (not 0) and returns 0; or returns who holds it, or tries to, and then the caller must
  /// call lock() or give up. A hint: of several, any one.
  [[nodiscard]] CSP_ALWAYS_INLINE std::uint32_t try_lock_as(std::uint32_t who) noexcept {
    // [L1] acquire: pairs with [L2].
    const std::uint32_t rival = word_.exchange(who, std::memory_order_acquire);
    if (rival == 0) [[likely]] {
      note_locked(rank_);
    }
    return rival;
  }

  /// Takes the lock if it is free.
  [[nodiscard]] CSP_ALWAYS_INLINE bool try_lock() noexcept {
    // [L1] acquire: pairs with [L2].
    if (word_.load(std::memory_order_relaxed) != 0 || word_.exchange(anonymous, std::memory_order_acquire) != 0) {
      return false;
    }
    note_locked(rank_);
    return true;
  }

  /// Releases the lock; `*this` may be gone when this returns.
  CSP_ALWAYS_INLINE void unlock() noexcept {
    note_unlocked(rank_);
    atomic<std::uint32_t>* const word = &word_;
    // [L2] release: pairs with [L1].
    word->store(0, std::memory_order_release);
    // Pairs with the heavy fence in lock_slowly(): a sleeper's count is seen here, or the sleeper sees the 0.
    asymmetric_fence::light();
    if (all_sleepers_.sleepers.load(std::memory_order_relaxed) != 0) [[unlikely]] {
      wake_sleepers(word);
    }
  }

 private:
  // Power of two; collisions only cost a needless futex call while somebody sleeps.
  static constexpr std::size_t table_size = 64;
  struct alignas(cache_line) table_entry {
    atomic<std::uint32_t> sleepers{0};
  };
  static table_entry table_[table_size];
  // Of all locks together: an unlock looks at one address, and further only while anybody sleeps.
  CSP_API static table_entry all_sleepers_;

  static atomic<std::uint32_t>& sleepers_of(const void* address) noexcept {
    return table_[(reinterpret_cast<std::uintptr_t>(address) / cache_line) % table_size].sleepers;
  }
  CSP_API CSP_NOINLINE void lock_slowly(std::uint32_t who) noexcept;
  CSP_API CSP_NOINLINE static void wake_sleepers(atomic<std::uint32_t>* word) noexcept;

  atomic<std::uint32_t> word_{0};
  const lock_rank rank_;
};

/// Scope guard for a spinlock.
class [[nodiscard]] spinlock_guard {
 public:
  explicit CSP_ALWAYS_INLINE spinlock_guard(spinlock& lock) noexcept : lock_(lock) { lock_.lock(); }
  CSP_ALWAYS_INLINE ~spinlock_guard() { lock_.unlock(); }
  spinlock_guard(const spinlock_guard&) = delete;
  spinlock_guard& operator=(const spinlock_guard&) = delete;

 private:
  spinlock& lock_;
};

}  // namespace csp::inline v0::detail
