// What the objects with one wait queue share: waiting in it with or without a deadline, and waking many.
#pragma once

#include "sched/park.h"

namespace csp::inline v0::detail {

/// Winners gathered under a lock, to be made ready after it. Linked through their nodes, in FIFO order.
class winner_list {
 public:
  /// Takes the first waiter whose wait can be won; null when there is none. Lock of the queue held.
  wait_node* take_one(wait_queue& queue) noexcept {
    wait_node* const node = queue.pop_winner();
    if (node != nullptr) {
      node->next = nullptr;
      *last_ = node;
      last_ = &node->next;
    }
    return node;
  }
  /// Takes all of them. Lock of the queue held.
  void take_all(wait_queue& queue) noexcept {
    while (take_one(queue) != nullptr) {
    }
  }
  /// Makes them ready. No lock held. A node is its owner's again as soon as that is ready.
  void make_ready() noexcept {
    while (first_ != nullptr) {
      wait_node* const node = first_;
      first_ = node->next;
      detail::make_ready(*node->owner);
    }
  }

 private:
  wait_node* first_ = nullptr;
  wait_node** last_ = &first_;
};

/// The wait until `deadline`; timeout and canceled as in wait(). The lock is held and released.
[[nodiscard]] CSP_API wake_reason wait_in_queue_until(queue_wait& request, nanos deadline);

/// Waits unless `condition()`, looked at under the lock, holds by now: then it answers first_case at once.
template <class Condition>
[[nodiscard]] wake_reason wait_in_queue_unless(wait_queue& queue, spinlock& lock, wait_kind kind, nanos deadline,
                                               Condition condition) {
  lock.lock();
  if (condition()) {
    lock.unlock();
    return wake_reason::first_case;
  }
  queue_wait request{queue, lock, kind, true};
  return wait_in_queue_until(request, deadline);
}

}  // namespace csp::inline v0::detail
