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
  /// Makes them ready. No lock held. A node may be gone as soon as its owner is ready.
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

/// Waits in `queue`, guarded by `lock`, until `deadline`; timeout and canceled as in wait(). `node` is linked by this
/// call; the lock is held and released. `before_unlock` as in exclusive_wait.
[[nodiscard]] CSP_API wake_reason wait_in_queue_locked(wait_queue& queue, spinlock& lock, wait_node& node,
                                                       wait_kind kind, nanos deadline,
                                                       release_function before_unlock = nullptr,
                                                       void* argument = nullptr);

/// The same with a node of its own, taking the lock.
[[nodiscard]] inline wake_reason wait_in_queue(wait_queue& queue, spinlock& lock, wait_kind kind, nanos deadline,
                                               release_function before_unlock, void* argument) {
  wait_node node;
  lock.lock();
  return wait_in_queue_locked(queue, lock, node, kind, deadline, before_unlock, argument);
}

/// Waits unless `condition()`, looked at under the lock, holds by now: then it answers first_case at once.
template <class Condition>
[[nodiscard]] wake_reason wait_in_queue_unless(wait_queue& queue, spinlock& lock, wait_kind kind, nanos deadline,
                                               Condition condition) {
  wait_node node;
  lock.lock();
  if (condition()) {
    lock.unlock();
    return wake_reason::first_case;
  }
  return wait_in_queue_locked(queue, lock, node, kind, deadline);
}

}  // namespace csp::inline v0::detail
