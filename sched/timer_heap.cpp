#include "sched/timer_heap.h"

#include "sched/waiter.h"

#include <algorithm>
#include <memory>

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
  b->next = a->child;
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
  timer* pairs = nullptr;  // linked through next, last pair first
  while (rest != nullptr) {
    timer* const first = rest;
    timer* const second = first->next;
    rest = second != nullptr ? second->next : nullptr;
    first->next = nullptr;
    first->previous = nullptr;
    if (second != nullptr) {
      second->next = nullptr;
      second->previous = nullptr;
    }
    timer* const merged = meld(first, second);
    merged->next = pairs;
    pairs = merged;
  }
  timer* result = nullptr;
  while (pairs != nullptr) {
    timer* const next = pairs->next;
    pairs->next = nullptr;
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
      item.previous->child = item.next;
    } else {
      item.previous->next = item.next;
    }
    if (item.next != nullptr) {
      item.next->previous = item.previous;
    }
    root_ = meld(root_, children);
  }
  if (root_ != nullptr) {
    root_->previous = nullptr;
    root_->next = nullptr;
  }
}

void timer_heap::take_out(timer& item) noexcept {
  item.slot == timer_wheel::nowhere ? unlink(item) : wheel_.remove(item);
  // [TH1] release: pairs with the acquire of an owner (ticker_core); our last access to the links.
  item.armed.store(false, std::memory_order_release);
}

void timer_heap::put_near(timer& item) noexcept {
  item.slot = timer_wheel::nowhere;
  item.next = nullptr;
  item.previous = nullptr;
  item.child = nullptr;
  root_ = meld(root_, &item);
}

void timer_heap::publish_earliest() noexcept {
  earliest_.store(std::min(root_ != nullptr ? root_->when : never, wheel_.earliest()), std::memory_order_relaxed);
}

bool timer_heap::arm(timer& item) noexcept {
  const spinlock_guard guard(lock_);
  item.heap = this;
  item.armed.store(true, std::memory_order_relaxed);
  // The only one needs no wheel: a task that sets a limit to each of its waits, and takes it back, finds the heap
  // cheaper.
  const nanos when = item.when;
  const nanos first = earliest();
  if (wheel_.is_brief(when) && when > brief_until()) {
    brief_until_.store(when, std::memory_order_relaxed);
  }
  first == never || wheel_.is_near(when) ? put_near(item) : wheel_.insert(item);
  if (when >= first) {
    return false;
  }
  earliest_.store(when, std::memory_order_relaxed);
  return true;
}

bool timer_heap::disarm(timer& item) noexcept {
  const spinlock_guard guard(lock_);
  if (!item.armed.load(std::memory_order_relaxed)) {
    return false;
  }
  take_out(item);
  publish_earliest();
  return true;
}

// Brings the wheel on towards `now`; false when that takes another call. Lock held.
bool timer_heap::advance(nanos now) noexcept {
  bool done = false;
  timer* near = wheel_.advance(now, most_moved, done);
  stale_at_.store(wheel_.stale_at(), std::memory_order_relaxed);
  while (near != nullptr) {
    timer* const next = near->next;
    if (near->sleeper != nullptr) {
      prefetch_stack(*near->sleeper);  // its block is close by now
    }
    put_near(*near);
    near = next;
  }
  return done;
}

std::size_t timer_heap::clear() noexcept {
  std::size_t waits = 0;
  for (;;) {
    timer* item = nullptr;
    {
      const spinlock_guard guard(lock_);
      item = root_ != nullptr ? root_ : wheel_.any();
      if (item == nullptr) {
        // The next scheduler that uses this heap finds it as new: its time may be a simulation's, which starts again.
        std::destroy_at(&wheel_);
        std::construct_at(&wheel_);
        stale_at_.store(0, std::memory_order_relaxed);
        brief_until_.store(0, std::memory_order_relaxed);
        return waits;
      }
      take_out(*item);
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
  std::size_t count = wheel_.size();
  // Down to the first child, else on to the next next, of the timer itself or of the nearest one above that has one.
  for (const timer* at = root_; at != nullptr;) {
    ++count;
    if (at->child != nullptr) {
      at = at->child;
      continue;
    }
    while (at != nullptr && at->next == nullptr) {
      const timer* first = at;
      while (first->previous != nullptr && first->previous->child != first) {
        first = first->previous;
      }
      at = first->previous;
    }
    at = at != nullptr ? at->next : nullptr;
  }
  return count;
}

std::uint32_t timer_heap::fire_due(nanos now, std::uint32_t limit) noexcept {
  // A due timer: a won wait, a callback, or neither when the wait was lost.
  struct due_timer {
    waiter* woken;
    timer* called;
  };
  std::uint32_t fired = 0;
  while (fired < limit && (earliest() <= now || stale_at_.load(std::memory_order_relaxed) <= now)) {
    due_timer due[most_at_once];
    std::uint32_t count = 0;
    bool done = false;
    {
      const spinlock_guard guard(lock_);
      // What is near comes first, as long as nothing in the wheel may be earlier.
      const auto is_first_due = [&]() noexcept {
        return root_ != nullptr && root_->when <= now && root_->when <= wheel_.earliest();
      };
      done = is_first_due() || advance(now);
      const std::uint32_t most = std::min(limit - fired, most_at_once);
      while (count < most && is_first_due()) {
        timer& item = *root_;
        take_out(item);
        if (item.fire != nullptr) {
          due[count++] = {nullptr, &item};
        } else {
          due[count++] = {item.sleeper->claim_timeout() ? item.sleeper : nullptr, nullptr};
        }
      }
      publish_earliest();
    }
    for (std::uint32_t i = 0; i < count; ++i) {
      // A callback's timer belongs to a counted object that its owner keeps alive until the callback has run.
      if (due[i].called != nullptr) {
        due[i].called->fire(*due[i].called, now);
      } else if (due[i].woken != nullptr) {
        make_ready(*due[i].woken);
      }
    }
    fired += count;
    if (done && count == 0) {
      break;
    }
  }
  return fired;
}

}  // namespace csp::inline v0::detail
