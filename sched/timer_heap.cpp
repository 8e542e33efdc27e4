#include "sched/timer_heap.h"

namespace csp::inline v0::detail {

timer* timer_heap::meld(timer* a, timer* b) noexcept {
  if (a == nullptr) {
    return b;
  }
  if (b == nullptr) {
    return a;
  }
  if (b->when < a->when) {
    timer* const swapped = a;
    a = b;
    b = swapped;
  }
  b->previous = a;
  b->sibling = a->child;
  if (a->child != nullptr) {
    a->child->previous = b;
  }
  a->child = b;
  return a;
}

// The two-pass merge: pairs from left to right, then the pairs from right to left.
timer* timer_heap::merge_children(timer& item) noexcept {
  timer* rest = item.child;
  item.child = nullptr;
  timer* pairs = nullptr;  // linked through sibling, last pair first
  while (rest != nullptr) {
    timer* const first = rest;
    timer* const second = first->sibling;
    rest = second != nullptr ? second->sibling : nullptr;
    first->sibling = nullptr;
    first->previous = nullptr;
    if (second != nullptr) {
      second->sibling = nullptr;
      second->previous = nullptr;
    }
    timer* const merged = meld(first, second);
    merged->sibling = pairs;
    pairs = merged;
  }
  timer* result = nullptr;
  while (pairs != nullptr) {
    timer* const next = pairs->sibling;
    pairs->sibling = nullptr;
    result = meld(result, pairs);
    pairs = next;
  }
  return result;
}

void timer_heap::unlink(timer& item) noexcept {
  timer* const children = merge_children(item);
  if (&item == root_) {
    root_ = children;
  } else {
    if (item.previous->child == &item) {
      item.previous->child = item.sibling;
    } else {
      item.previous->sibling = item.sibling;
    }
    if (item.sibling != nullptr) {
      item.sibling->previous = item.previous;
    }
    root_ = meld(root_, children);
  }
  if (root_ != nullptr) {
    root_->previous = nullptr;
    root_->sibling = nullptr;
  }
  item.sibling = nullptr;
  item.previous = nullptr;
  // [TH1] release: pairs with the acquire of an owner (ticker_core); our last access to the links.
  item.armed.store(false, std::memory_order_release);
}

void timer_heap::publish_earliest() noexcept {
  earliest_.store(root_ != nullptr ? root_->when : never, std::memory_order_relaxed);
}

bool timer_heap::arm(timer& item) noexcept {
  const spinlock_guard guard(lock_);
  item.heap = this;
  item.armed.store(true, std::memory_order_relaxed);
  root_ = meld(root_, &item);
  if (root_ != &item) {
    return false;
  }
  publish_earliest();
  return true;
}

bool timer_heap::disarm(timer& item) noexcept {
  const spinlock_guard guard(lock_);
  if (!item.armed.load(std::memory_order_relaxed)) {
    return false;
  }
  unlink(item);
  publish_earliest();
  return true;
}

std::size_t timer_heap::clear() noexcept {
  std::size_t waits = 0;
  for (;;) {
    timer* item = nullptr;
    {
      const spinlock_guard guard(lock_);
      item = root_;
      if (item == nullptr) {
        return waits;
      }
      unlink(*item);
      publish_earliest();
    }
    if (item->fire != nullptr) {
      item->fire(*item, never);
    } else {
      ++waits;
    }
  }
}

std::size_t timer_heap::size() noexcept {
  const spinlock_guard guard(lock_);
  std::size_t count = 0;
  // Down to the first child, else on to the next sibling, of the timer itself or of the nearest one above that has one.
  for (const timer* at = root_; at != nullptr;) {
    ++count;
    if (at->child != nullptr) {
      at = at->child;
      continue;
    }
    while (at != nullptr && at->sibling == nullptr) {
      const timer* first = at;
      while (first->previous != nullptr && first->previous->child != first) {
        first = first->previous;
      }
      at = first->previous;
    }
    at = at != nullptr ? at->sibling : nullptr;
  }
  return count;
}

std::uint32_t timer_heap::fire_due(nanos now, std::uint32_t limit) noexcept {
  std::uint32_t fired = 0;
  while (fired < limit && earliest() <= now) {
    waiter* woken = nullptr;
    timer* called = nullptr;
    {
      const spinlock_guard guard(lock_);
      timer* const item = root_;
      if (item == nullptr || item->when > now) {
        break;
      }
      unlink(*item);
      publish_earliest();
      if (item->fire != nullptr) {
        called = item;
      } else if (item->sleeper->claim(item->ticket, wake_reason::timeout)) {
        woken = item->sleeper;
      }
    }
    // A callback's timer belongs to a counted object that its owner keeps alive until the callback has run.
    if (called != nullptr) {
      called->fire(*called, now);
    } else if (woken != nullptr) {
      make_ready(*woken);
    }
    ++fired;
  }
  return fired;
}

}  // namespace csp::inline v0::detail
