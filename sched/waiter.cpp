#include "sched/waiter.h"

#include "sched/base/futex.h"
#include "sched/wait_queue.h"

namespace csp::inline v0::detail {

bool waiter::cancel_wait() noexcept {
  // [W4] acquire: pairs with [W1] and [W3].
  std::uint64_t word = word_.load(std::memory_order_acquire);
  if ((word & phase_mask) == open) {
    return cancellable_.get() && claim(word & ~frozen, wake_reason::canceled);
  }
  if ((word & phase_mask) != exclusive) {
    return false;
  }
  // From here until the flag falls the owner cannot leave its wait, so its queue and lock stay alive.
  std::uint32_t nobody = outside;
  while (!inside_.compare_exchange_strong(nobody, canceller_inside, std::memory_order_acquire,
                                          std::memory_order_relaxed)) {
    if (nobody == canceller_inside) {
      return false;  // another canceller is at it
    }
    nobody = outside;  // a visitor leaves after some instructions
    yield_thread();
  }
  // Pairs with the light fence in leave_exclusive().
  asymmetric_fence::heavy();
  bool won = false;
  if ((word_.load(std::memory_order_acquire) & phase_mask) == exclusive) {
    spinlock& lock = *lock_.get();
    const spinlock_guard guard(lock);
    if (own_.linked) {
      abandon_exclusive();
      won = true;
    }
  }
  // release: pairs with the acquire in await_canceller(); our last look at the queue comes before.
  inside_.store(outside, std::memory_order_release);
  return won;
}

void waiter::abandon_exclusive() noexcept {
  queue_.get()->remove(own_);
  outcome_ = wake_reason::canceled;
}

bool waiter::claim_when_thawed(std::uint64_t ticket, wake_reason reason) noexcept {
  for (;;) {
    std::uint64_t word = ticket;
    // acquire: pairs with [W1] and [W5]. release: as in claim().
    if (word_.compare_exchange_strong(word, (ticket & ~phase_mask) + claimed, std::memory_order_acq_rel,
                                      std::memory_order_relaxed)) {
      outcome_ = reason;
      return true;
    }
    if (word != (ticket | frozen)) {
      return false;
    }
    yield_thread();  // its owner is frozen for some instructions, or for longer where their thread was preempted
  }
}

bool waiter::force_wait() noexcept {
  const spinlock_guard guard(*lock_.get());
  if (!own_.linked) {
    return false;
  }
  abandon_exclusive();
  return true;
}

void waiter::await_canceller() noexcept {
  // acquire: pairs with the release in cancel_wait(). The canceller holds the flag for a few instructions; it may have
  // been preempted, hence the yield.
  while (inside_.load(std::memory_order_acquire) != outside) {
    yield_thread();
  }
}

}  // namespace csp::inline v0::detail
