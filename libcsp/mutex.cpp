#include <libcsp/mutex.h>

#include "sched/base/fatal.h"
#include "sched/base/futex.h"
#include "sched/scheduler_core.h"
#include "sched/simulator.h"
#include "sched/thread_block.h"

namespace csp::inline v0 {
namespace {

using detail::wait_node;
using detail::waiter;
using detail::wake_reason;

/// A waiter that has been woken in vain this often is handed the lock: bounded bypass, in the line of Go's starvation
/// mode, without a clock.
constexpr int wakes_in_vain = CSP_SHRUNK(4, 1);

/// So many unlocks look at the queue after the last one that came to wait: a heavy fence, which may cost 2 us, then
/// costs less than 10 ns an unlock.
constexpr std::uint32_t careful_unlocks = CSP_SHRUNK(256, 1);

/// Looks for an owner that comes or leaves before the thread is given up: that takes a few ns, unless its thread was
/// preempted.
constexpr int looks_before_yield = CSP_SHRUNK(64, ::model::spins);

/// Looks at a mutex that is held on another processor, before a wait for it: half a microsecond. A short critical
/// section ends meanwhile; a wait costs a fence, two switches, and often a theft.
constexpr int looks_before_wait = CSP_SHRUNK(16, 0);

/// What a mutex puts into a node's slot when the wake carries the ownership.
char ownership_mark;

}  // namespace

// Waits for the owner that comes or leaves.
void mutex::await_step() const noexcept {
  for (int looks = 0; owner_.get() == nullptr && word_.load(std::memory_order_relaxed) != free; ++looks) {
    if (looks < looks_before_yield) {
      detail::cpu_relax();
    } else {
      detail::yield_thread();
    }
  }
}

// The spinlock is held before and after, but not throughout. True: the mutex was free and is the caller's. False: its
// owner will take the spinlock before it gives the mutex back.
bool mutex::take_or_announce() noexcept {
  const detail::processor* const here = detail::this_processor();
  for (;;) {
    const bool announced = careful_.get() != 0;
    careful_.set(careful_unlocks);
    if (!announced) {
      // Pairs with the light fence in release().
      detail::asymmetric_fence::heavy();
    }
    if (try_take(caller(here), place_of(here))) {
      return true;
    }
    if (owner_.get() != nullptr) {
      return false;
    }
    lock_.unlock();
    await_step();
    lock_.lock();
  }
}

// True when the mutex became free and is the caller's. In vain where its owner can only run on when the caller waits.
bool mutex::take_soon() noexcept {
  const detail::processor* const here = detail::this_processor();
  const std::uint32_t place = place_of(here);
  for (int looks = 0; looks < looks_before_wait && waiters_.first_place() == nullptr; ++looks) {
    const std::uint32_t held = word_.load(std::memory_order_relaxed);
    if (held == free && try_take(caller(here), place)) {
      return true;
    }
    if (held == place && here != nullptr) {
      return false;
    }
    detail::cpu_relax();
  }
  return false;
}

void mutex::lock_slowly() {
  const std::uint32_t rival = word_.load(std::memory_order_relaxed);
  if (detail::processor* const better = detail::weigh_contention(rival)) {
    detail::this_processor()->move_to(*better);
  }
  if (take_soon()) {
    return;
  }
  detail::note_wait_for_rival(word_.load(std::memory_order_relaxed));
  lock_.lock();
  for (int vain = 0; !take_or_announce(); ++vain) {
    starving_ = starving_ || vain >= wakes_in_vain;
    detail::queue_wait request{waiters_, lock_, detail::wait_kind::mutex, false};
    request.at_front = vain != 0;
    const wake_reason reason = detail::wait_exclusive(request);
    if (request.node->slot == &ownership_mark) {
      return;
    }
    lock_.lock();
    if (reason == wake_reason::canceled) [[unlikely]] {
      // The end of a simulation that has failed: nobody gives the mutex back any more, and all who wait get it.
      owner_.set(caller(detail::this_processor()));
      break;
    }
    woken_ = false;
  }
  lock_.unlock();
}

// There is no owner, but the word is not free yet: nobody else changes either.
waiter* mutex::release_carefully() noexcept {
  std::uint32_t next = free;
  waiter* woken = nullptr;
  lock_.lock();
  if (starving_ && !waiters_.empty()) {
    wait_node* const node = waiters_.pop_winner();
    starving_ = false;
    node->slot = &ownership_mark;
    woken = node->owner;
    next = detail::spinlock::anonymous;
    owner_.set(woken->is_task() ? static_cast<const void*>(static_cast<detail::task*>(woken))
                                : static_cast<detail::thread_block*>(woken)->thread_identity());
  } else if (!woken_ && !waiters_.empty()) {
    woken_ = true;
    woken = waiters_.pop_winner()->owner;
  } else if (const std::uint32_t left = careful_.get(); left != 0) {
    // Nobody waits, or who was woken has still to try: it announces itself again, for all who wait behind it.
    careful_.set(left - 1);
  }
  lock_.unlock();
  // [MX2] release: pairs with [MX1]. Last of all: without a waiter, who takes the mutex now may destroy it.
  word_.store(next, std::memory_order_release);
  return woken;
}

waiter* mutex::refuse_unlock() noexcept {
  constexpr const char* text = "csp::mutex: unlocked by a task or thread that does not hold it";
  const detail::processor* const here = detail::this_processor();
  if (here == nullptr || !here->is_simulated()) {
    detail::fatal(text);
  }
  here->core().settings().simulated->fail(text);
  return nullptr;
}

}  // namespace csp::inline v0
