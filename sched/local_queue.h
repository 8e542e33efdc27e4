// The part of a processor's run queue that costs its owner no atomic read-modify-write: the `next` slot for the task
// that was just made ready, and a short FIFO in front of the stealable ring.
//
// A thief may take from here as well, but pays for it: it raises `thief_wants_`, passes a heavy asymmetric fence, and
// goes away if the owner is inside. The owner marks its own visits with plain stores (Dekker's protocol, with the fence
// on the thief's side). Whether a thief should come is its own decision, from progress(): see sched/search.cpp.
#pragma once

#include "sched/base/asymmetric_fence.h"
#include "sched/base/atomic.h"
#include "sched/base/config.h"
#include "sched/base/relaxed.h"
#include "sched/base/spinlock.h"

#include <array>
#include <cstdint>

namespace csp::inline v0::detail {

template <class T>
class local_queue {
 public:
  /// Short: a burst beyond it is work for others and goes to the ring.
  static constexpr std::uint32_t capacity = CSP_SHRUNK(16, 2);

  /// Takes the `next` item, or else the oldest of the FIFO; null when both are empty. Owner only.
  [[nodiscard]] CSP_ALWAYS_INLINE T* pop(bool next_first) noexcept {
    enter();
    T* item = next_.get();
    if (item != nullptr && (next_first || count_.get() == 0)) {
      next_.set(nullptr);
    } else {
      item = pop_fifo();
    }
    leave();
    return item;
  }

  /// Puts an item into `next`; what was there comes back and must be queued. Owner only.
  [[nodiscard]] CSP_ALWAYS_INLINE T* exchange_next(T* item) noexcept {
    enter();
    T* const displaced = next_.get();
    next_.set(item);
    leave();
    return displaced;
  }

  /// Appends to the FIFO; false when it is full. Owner only.
  [[nodiscard]] CSP_ALWAYS_INLINE bool push(T* item) noexcept {
    enter();
    const std::uint32_t count = count_.get();
    const bool fits = count < capacity;
    if (fits) {
      items_[(first_.get() + count) % capacity].set(item);
      count_.set(count + 1);
    }
    leave();
    return fits;
  }

  /// Puts items into the FIFO, which is empty; no more than it has room for. Owner only.
  void fill(T* const* items, std::uint32_t count) noexcept {
    enter();
    const std::uint32_t first = first_.get();
    for (std::uint32_t i = 0; i < count; ++i) {
      items_[(first + i) % capacity].set(items[i]);
    }
    count_.set(count);
    leave();
  }

  /// The oldest of the FIFO, if there is one and nothing in `next`: then the owner stays inside, where no thief comes,
  /// and must end the turn. Else null. Owner only.
  [[nodiscard]] CSP_ALWAYS_INLINE T* begin_turn() noexcept {
    if (next_.get() != nullptr) {
      return nullptr;
    }
    enter();
    T* const item = pop_fifo();
    if (item == nullptr) {
      leave();
    }
    return item;
  }

  /// Appends an item, for which there is room since that one left. Owner only.
  CSP_ALWAYS_INLINE void end_turn(T* item) noexcept {
    const std::uint32_t count = count_.get();
    items_[(first_.get() + count) % capacity].set(item);
    count_.set(count + 1);
    leave();
  }

  /// The same without an item to append.
  CSP_ALWAYS_INLINE void end_turn() noexcept { leave(); }

  /// Puts an item into the FIFO before all that were pushed, and after those that were inserted before it; false when
  /// it is full. Owner only.
  [[nodiscard]] bool insert(T* item) noexcept {
    enter();
    const std::uint32_t count = count_.get();
    const bool fits = count < capacity;
    if (fits) {
      const std::uint32_t first = first_.get();
      const std::uint32_t inserted = inserted_end_.get() - first;  // of those that are still here, if there are any
      const std::uint32_t position = inserted <= count ? inserted : 0;
      for (std::uint32_t at = count; at > position; --at) {
        items_[(first + at) % capacity].set(items_[(first + at - 1) % capacity].get());
      }
      items_[(first + position) % capacity].set(item);
      count_.set(count + 1);
      inserted_end_.set(first + position + 1);
    }
    leave();
    return fits;
  }

  /// True when a glance from any thread finds something.
  [[nodiscard]] bool has_items() const noexcept { return next_.get() != nullptr || count_.get() != 0; }
  [[nodiscard]] std::uint32_t fifo_size() const noexcept { return count_.get(); }
  [[nodiscard]] bool next_is_empty() const noexcept { return next_.get() == nullptr; }

  /// Takes the older half of the FIFO (rounded up) and `next`; the count, 0 when the owner or another thief was inside.
  /// Thieves only; costs a heavy fence.
  [[nodiscard]] std::uint32_t steal(T** items) noexcept {
    if (!thieves_.try_lock()) {
      return 0;
    }
    std::uint32_t taken = 0;
    thief_wants_.store(1, std::memory_order_relaxed);
    // Pairs with the light fence in enter(): the owner sees the flag, or we see the owner.
    asymmetric_fence::heavy();
    // [LQ1] acquire: pairs with [LQ2]; what the owner stored inside is visible.
    if (owner_inside_.load(std::memory_order_acquire) == 0) {
      const std::uint32_t half = count_.get() - count_.get() / 2;
      while (taken < half) {
        items[taken++] = pop_fifo();
      }
      if (next_.get() != nullptr) {
        items[taken++] = next_.get();
        next_.set(nullptr);
      }
    }
    // [LQ3] release: pairs with [LQ4]; the owner sees what was taken.
    thief_wants_.store(0, std::memory_order_release);
    thieves_.unlock();
    return taken;
  }

 private:
  CSP_ALWAYS_INLINE T* pop_fifo() noexcept {
    const std::uint32_t count = count_.get();
    if (count == 0) {
      return nullptr;
    }
    const std::uint32_t first = first_.get();
    count_.set(count - 1);
    first_.set(first + 1);
    T* const item = items_[first % capacity].get();
    if (item == nullptr) {
      __builtin_unreachable();
    }
    return item;
  }

  CSP_ALWAYS_INLINE void enter() noexcept {
    owner_inside_.store(1, std::memory_order_relaxed);
    // Pairs with the heavy fence in steal().
    asymmetric_fence::light();
    // [LQ4] acquire: pairs with [LQ3]; what the last thief took is not seen here any more.
    if (thief_wants_.load(std::memory_order_acquire) != 0) [[unlikely]] {
      await_thief();
    }
  }

  CSP_ALWAYS_INLINE void leave() noexcept {
    // [LQ2] release: pairs with [LQ1].
    owner_inside_.store(0, std::memory_order_release);
  }

  CSP_NOINLINE void await_thief() noexcept {
    do {
      // Let the thief that looks now see us outside; one that came later sees us inside again.
      owner_inside_.store(0, std::memory_order_release);
      // The thief holds a lock that sleeps rather than spins for long; passing through it waits for its end.
      thieves_.lock();
      thieves_.unlock();
      owner_inside_.store(1, std::memory_order_relaxed);
      asymmetric_fence::light();
      // [LQ4] acquire: as above.
    } while (thief_wants_.load(std::memory_order_acquire) != 0);
  }

  atomic<std::uint32_t> owner_inside_{0};
  atomic<std::uint32_t> thief_wants_{0};
  relaxed<T*> next_;
  // Positions count on for ever, and wrap; the slot is the position modulo the capacity.
  relaxed<std::uint32_t> first_;
  relaxed<std::uint32_t> count_;
  relaxed<std::uint32_t> inserted_end_;  // behind the last one that came by insert(); may have been passed
  std::array<relaxed<T*>, capacity> items_{};
  spinlock thieves_{lock_rank::queue};
};

}  // namespace csp::inline v0::detail
