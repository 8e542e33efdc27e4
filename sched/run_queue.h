// The stealable part of a processor's run queue: a bounded FIFO ring with one owner and many thieves, in the line of
// Go's runtime (runq) and tokio's queue.
//
// The owner pushes at the tail and pops at the head; thieves take a batch at the head. Both ends meet in one
// compare-and-swap on `head_`. The slots between head and tail belong to whoever wins it; a slot is written again only
// after head has passed it.
//
// Atomic is a policy and Capacity a parameter, so that a checker can run this code under a memory model of its own.
#pragma once

#include "sched/base/atomic.h"
#include "sched/base/config.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace csp::inline v0::detail {

template <class T, std::uint32_t Capacity, template <class> class Atomic = atomic>
class run_queue {
  static_assert((Capacity & (Capacity - 1)) == 0, "indices wrap by masking");

 public:
  /// Appends an item; false when the ring is full. Owner only.
  [[nodiscard]] CSP_ALWAYS_INLINE bool push(T* item) noexcept {
    const std::uint32_t tail = tail_.load(std::memory_order_relaxed);
    // [RQ1] acquire: pairs with [RQ3]; the taker has read the slot that is about to be written again.
    if (tail - head_.load(std::memory_order_acquire) >= Capacity) {
      return false;
    }
    slots_[tail % Capacity].store(item, std::memory_order_relaxed);
    // [RQ2] release: publishes the slot and the item; pairs with [RQ4].
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  /// True when a push will succeed: nobody else takes room away. Owner only.
  [[nodiscard]] CSP_ALWAYS_INLINE bool has_room() const noexcept { return size() < Capacity; }

  /// Calls look(item) for up to `limit` items at the head, which thieves may take meanwhile. Owner only.
  template <class Function>
  void glance(std::uint32_t limit, const Function& look) const noexcept {
    const std::uint32_t head = head_.load(std::memory_order_relaxed);
    const std::uint32_t count = size();
    for (std::uint32_t i = 0; i < limit && i < count; ++i) {
      look(slots_[(head + i) % Capacity].load(std::memory_order_relaxed));
    }
  }

  /// Takes up to `limit` items from the head, oldest first; the count. Owner only.
  [[nodiscard]] std::uint32_t pop(T** items, std::uint32_t limit) noexcept {
    return take(items, limit, tail_.load(std::memory_order_relaxed), false);
  }

  /// Takes half of the items (rounded up, at most `limit`), oldest first; the count. Any thread.
  [[nodiscard]] std::uint32_t steal(T** items, std::uint32_t limit) noexcept {
    // [RQ4] acquire: pairs with [RQ2].
    return take(items, limit, tail_.load(std::memory_order_acquire), true);
  }

  /// How many items there are; a glance, exact for the owner while no thief is at work.
  [[nodiscard]] CSP_ALWAYS_INLINE std::uint32_t size() const noexcept {
    const std::uint32_t head = head_.load(std::memory_order_relaxed);
    const std::uint32_t count = tail_.load(std::memory_order_relaxed) - head;
    return count <= Capacity ? count : 0;
  }

 private:
  std::uint32_t take(T** items, std::uint32_t limit, std::uint32_t tail, bool half) noexcept {
    std::uint32_t head = head_.load(std::memory_order_acquire);
    for (;;) {
      std::uint32_t count = tail - head;
      if (half) {
        count -= count / 2;
        if (count > Capacity) {  // head was read after a later tail: look again
          // [RQ4] acquire: pairs with [RQ2].
          tail = tail_.load(std::memory_order_acquire);
          head = head_.load(std::memory_order_acquire);
          continue;
        }
      }
      count = count < limit ? count : limit;
      if (count == 0) {
        return 0;
      }
      for (std::uint32_t i = 0; i < count; ++i) {
        items[i] = slots_[(head + i) % Capacity].load(std::memory_order_relaxed);
      }
      // [RQ3] release: the slots were read before they may be written again; pairs with [RQ1]. acquire on failure: the
      // slots are read afresh.
      if (head_.compare_exchange_weak(head, head + count, std::memory_order_acq_rel, std::memory_order_acquire)) {
        return count;
      }
    }
  }

  alignas(cache_line) Atomic<std::uint32_t> head_{0};
  alignas(cache_line) Atomic<std::uint32_t> tail_{0};
  std::array<Atomic<T*>, Capacity> slots_{};
};

}  // namespace csp::inline v0::detail
