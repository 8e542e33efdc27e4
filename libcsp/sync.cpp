#include <libcsp/sync.h>

#include "sched/base/fatal.h"
#include "sched/wait_list.h"

namespace csp::inline v0 {
namespace {

using detail::nanos;
using detail::never;
using detail::wait_kind;
using detail::wait_node;
using detail::wake_reason;

}  // namespace

// --- condition_variable
// -------------------------------------------------------------------------------------------------

std::cv_status condition_variable::wait_by(std::unique_lock<mutex>& lock, nanos deadline) {
  mutex& outer = *lock.mutex();
  detail::require(lock.owns_lock(), "csp::condition_variable: wait without the lock");
  // The mutex is released when the waiter can be found by a notifier, and not on a stack that still runs.
  struct held_mutex {
    mutex& target;
    const void* owner;
  } held{outer, mutex::caller(detail::this_processor())};
  const auto release = [](void* argument) noexcept {
    const auto& [target, owner] = *static_cast<held_mutex*>(argument);
    return target.release(owner);
  };
  detail::cancellation_point();
  if (deadline != never && deadline <= detail::current_time()) {
    return std::cv_status::timeout;
  }
  lock_.lock();
  detail::queue_wait request{waiters_, lock_, wait_kind::condition, true};
  request.before_unlock = release;
  request.argument = &held;
  const wake_reason reason = detail::wait_in_queue_until(request, deadline);
  outer.lock();
  if (reason == wake_reason::canceled) {
    throw canceled();
  }
  return reason == wake_reason::timeout ? std::cv_status::timeout : std::cv_status::no_timeout;
}

void condition_variable::notify_one() noexcept {
  detail::scheduling_point();
  lock_.lock();
  wait_node* const node = waiters_.pop_winner();
  lock_.unlock();
  if (node != nullptr) {
    detail::make_ready(*node->owner);
  }
}

void condition_variable::notify_all() noexcept {
  detail::scheduling_point();
  detail::winner_list woken;
  lock_.lock();
  woken.take_all(waiters_);
  lock_.unlock();
  woken.make_ready();
}

// --- semaphore
// ----------------------------------------------------------------------------------------------------------

void semaphore::acquire() { static_cast<void>(acquire_by(never)); }

bool semaphore::try_acquire() noexcept {
  detail::scheduling_point();
  const detail::spinlock_guard guard(lock_);
  if (permits_ <= 0) {
    return false;
  }
  --permits_;
  return true;
}

bool semaphore::acquire_by(nanos deadline) {
  detail::cancellation_point();
  if (try_acquire()) {
    return true;
  }
  if (deadline != never && deadline <= detail::current_time()) {
    return false;
  }
  switch (detail::wait_in_queue_unless(waiters_, lock_, wait_kind::semaphore, deadline, [this] {
    const bool free = permits_ > 0;
    permits_ -= free ? 1 : 0;
    return free;
  })) {
    case wake_reason::canceled:
      throw canceled();
    case wake_reason::timeout:
      return false;
    default:
      return true;
  }
}

void semaphore::release(std::ptrdiff_t count) noexcept {
  detail::scheduling_point();
  detail::require(count >= 0, "csp::semaphore: a negative number of permits was released");
  detail::winner_list woken;
  lock_.lock();
  // A permit goes from hand to hand: nobody can take it before the woken waiter does.
  while (count > 0 && woken.take_one(waiters_)) {
    --count;
  }
  permits_ += count;
  lock_.unlock();
  woken.make_ready();
}

// --- wait_group
// ---------------------------------------------------------------------------------------------------------

void wait_group::add(std::ptrdiff_t count) noexcept {
  detail::scheduling_point();
  detail::winner_list woken;
  lock_.lock();
  count_ += count;
  const bool negative = count_ < 0;
  if (count_ == 0) {
    woken.take_all(waiters_);
  }
  lock_.unlock();
  detail::require(!negative, "csp::wait_group: more done() than add()");
  woken.make_ready();
}

void wait_group::wait() { static_cast<void>(wait_by(never)); }

bool wait_group::wait_by(nanos deadline) {
  detail::scheduling_point();
  detail::cancellation_point();
  {
    const detail::spinlock_guard guard(lock_);
    if (count_ == 0) {
      return true;
    }
  }
  if (deadline != never && deadline <= detail::current_time()) {
    return false;
  }
  switch (
      detail::wait_in_queue_unless(waiters_, lock_, wait_kind::wait_group, deadline, [this] { return count_ == 0; })) {
    case wake_reason::canceled:
      throw canceled();
    case wake_reason::timeout:
      return false;
    default:
      return true;
  }
}

}  // namespace csp::inline v0
