// A FIFO of wait nodes. Guarded by the lock of the channel or other object that it belongs to.
#pragma once

#include "sched/waiter.h"

namespace csp::inline v0::detail {

class wait_queue {
 public:
  [[nodiscard]] bool empty() const noexcept { return head_.get() == nullptr; }
  /// Where the first node lies, to be prefetched or compared with null, and no more. Any thread.
  [[nodiscard]] const void* first_place() const noexcept { return head_.get(); }

  /// Appends a node that is in no queue. Lock held.
  CSP_ALWAYS_INLINE void push(wait_node& node) noexcept {
    node.next = nullptr;
    node.previous = tail_;
    node.linked = true;
    if (tail_ != nullptr) {
      tail_->next = &node;
    } else {
      head_.set(&node);
    }
    tail_ = &node;
  }

  /// Puts a node at the head: a waiter that was woken in vain keeps its turn. Lock held.
  void push_front(wait_node& node) noexcept {
    wait_node* const first = head_.get();
    node.previous = nullptr;
    node.next = first;
    node.linked = true;
    if (first != nullptr) {
      first->previous = &node;
    } else {
      tail_ = &node;
    }
    head_.set(&node);
  }

  /// Takes out a node if it is still linked. Lock held.
  void remove(wait_node& node) noexcept {
    if (!node.linked) {
      return;
    }
    node.linked = false;
    if (node.previous != nullptr) {
      node.previous->next = node.next;
    } else {
      head_.set(node.next);
    }
    if (node.next != nullptr) {
      node.next->previous = node.previous;
    } else {
      tail_ = node.previous;
    }
  }

  /// Takes nodes from the head until one's wait is won; null when the queue is empty. Lock held. The caller delivers
  /// and then makes the node's owner ready, after unlocking.
  [[nodiscard]] CSP_ALWAYS_INLINE wait_node* pop_winner() noexcept {
    wait_node* const node = head_.get();
    if (node == nullptr) {
      return nullptr;
    }
    take_first(*node);
    if (node->ticket == 0) [[likely]] {
      node->owner->claim_exclusive();
      return node;
    }
    return claim_or_pop(*node);
  }

 private:
  CSP_ALWAYS_INLINE void take_first(wait_node& first) noexcept {
    wait_node* const second = first.next;
    head_.set(second);
    if (second != nullptr) {
      second->previous = nullptr;
    } else {
      tail_ = nullptr;
    }
    first.linked = false;
  }
  /// pop_winner() for a node, taken out already, of an open wait. A call of its own, and the last thing that its caller
  /// does: so the common way saves no registers.
  [[nodiscard]] CSP_API CSP_NOINLINE wait_node* claim_or_pop(wait_node& node) noexcept;

  relaxed<wait_node*> head_;  // also glanced at without the lock, to skip an empty queue
  wait_node* tail_ = nullptr;
};

}  // namespace csp::inline v0::detail
