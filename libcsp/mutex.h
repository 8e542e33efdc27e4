// csp::mutex: mutual exclusion for tasks and plain threads, one atomic read-modify-write for a lock and its unlock.
//
// Invariants
// - The word tells where the mutex is held: 0 (free), or the signature of the processor on which its owner took it. The
//   owner, a task or something of a plain thread's own, is a field beside it: to read the word soon after the
//   compare-and-swap would cost as much as that did. It is null before the owner has stored itself, and from the first
//   step of its unlock on.
// - lock() takes a free mutex by a compare-and-swap. unlock() makes do with plain moves: it stores null as the owner,
//   looks whether it has to be careful, and stores 0. That store touches the mutex last, so who takes it then may
//   destroy it.
// - Who comes to wait, holding the spinlock, makes owners careful, passes a heavy fence, and looks at the owner: one
//   that is still there will see that it has to be careful, and takes the spinlock to look at the queue. If there is
//   none, it may have looked before; its rival waits for these few instructions to pass.
// - Owners stay careful for many unlocks after the last wait, so that a mutex with waiters pays for few fences.
// - The queue and what else belongs to waiters is guarded by the spinlock; the word is not.
//
// Whoever woke a waiter touches the mutex no more, so it may be destroyed as soon as all locks have been given back.
#pragma once

#include "sched/contention.h"
#include "sched/park.h"
#include "sched/wait_queue.h"

#include <cstdint>

namespace csp::inline v0 {

/// A mutual exclusion lock, Lockable. Not recursive. Waiters are woken first come, first served; a running task may
/// take a free lock before a woken waiter does, but no waiter is passed over more than a few times: then the lock is
/// handed to it. lock() is not a cancellation point. Unlocking what the caller does not hold ends the program.
class CSP_API mutex {
 public:
  constexpr mutex() noexcept = default;
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;

  /// Waits until the lock is free and takes it. May throw std::bad_alloc in a plain thread's first wait.
  CSP_ALWAYS_INLINE void lock() {
    detail::processor* const here = detail::this_processor();
    const std::uint32_t place = detail::signature(here);
    if ((place & detail::processor::simulated_mark) != 0) [[unlikely]] {
      here->interleave();
    }
    if (!try_take(caller(here), place)) [[unlikely]] {
      lock_slowly();
    }
  }
  /// Takes the lock if it is free.
  [[nodiscard]] bool try_lock() noexcept {
    detail::scheduling_point();
    const detail::processor* const here = detail::this_processor();
    return try_take(caller(here), place_of(here));
  }
  /// Gives the lock back. By its owner.
  CSP_ALWAYS_INLINE void unlock() noexcept {
    if (detail::waiter* const woken = release(caller(detail::this_processor()))) [[unlikely]] {
      detail::make_ready(*woken);
    }
  }

 private:
  friend class condition_variable;

  // Beside signatures, `anonymous` for plain threads and for an owner of whom it is not known where it will run.
  static constexpr std::uint32_t free = 0;

  /// Who calls: the task, or something of the calling thread's own.
  static CSP_ALWAYS_INLINE const void* caller(const detail::processor* here) noexcept {
    return here != nullptr ? here->current() : __builtin_thread_pointer();
  }
  static std::uint32_t place_of(const detail::processor* here) noexcept {
    return here != nullptr ? here->signature() : detail::spinlock::anonymous;
  }

  /// Takes the mutex for `self`, at `place`, if it is free. Any thread.
  [[nodiscard]] CSP_ALWAYS_INLINE bool try_take(const void* self, std::uint32_t place) noexcept {
    std::uint32_t nowhere = free;
    // [MX1] acquire: pairs with [MX2]; what the last owner wrote is visible.
    if (!word_.compare_exchange_strong(nowhere, place, std::memory_order_acquire, std::memory_order_relaxed)) {
      return false;
    }
    owner_.set(self);
    return true;
  }

  /// Gives the mutex back for its owner `by`; any thread, for a wait's commit does it on another stack. Returns whom
  /// the caller must make ready, holding no lock.
  [[nodiscard]] CSP_ALWAYS_INLINE detail::waiter* release(const void* by) noexcept {
    if (owner_.get() != by) [[unlikely]] {
      return refuse_unlock();
    }
    owner_.set(nullptr);
    // Pairs with the heavy fence in take_or_announce(): a waiter is seen here, or it sees no owner.
    detail::asymmetric_fence::light();
    if (careful_.get() != 0) [[unlikely]] {
      return release_carefully();
    }
    // [MX2] release: pairs with [MX1].
    word_.store(free, std::memory_order_release);
    return nullptr;
  }

  CSP_NOINLINE void lock_slowly();
  [[nodiscard]] bool take_soon() noexcept;
  void await_step() const noexcept;
  [[nodiscard]] bool take_or_announce() noexcept;
  [[nodiscard]] CSP_NOINLINE detail::waiter* release_carefully() noexcept;
  /// Ends the program; in a simulation ends the simulation. Returns null.
  [[nodiscard]] CSP_NOINLINE detail::waiter* refuse_unlock() noexcept;

  detail::atomic<std::uint32_t> word_{free};
  detail::relaxed<std::uint32_t> careful_;  // how many unlocks have still to look at the queue. Written under lock_
  detail::relaxed<const void*> owner_;      // null: nobody, or somebody who has just come or is about to leave
  detail::spinlock lock_{detail::lock_rank::mutex};
  bool woken_ = false;     // a woken waiter has not tried yet: no other is woken. Guarded by lock_, as all below
  bool starving_ = false;  // the first waiter has been passed over too often: the lock is handed to it
  detail::wait_queue waiters_;
};

}  // namespace csp::inline v0
