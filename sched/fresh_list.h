// A locked list of tasks that have not started, beyond what a processor's ring holds. Those of the newest spawner come
// out first, in the order in which it made them.
//
// Of a tree of tasks that wait for their children this is a walk in depth: few have started at a time and hold a stack.
// What one task makes in a row, such as the stages of a chain, starts in that order. So that the oldest ones come to
// run too, the list is two: what is asked for as `aged` comes from one that gets no new tasks; when that is empty, it
// takes the place of the other one.
//
// Intrusive, so that an append cannot fail.
#pragma once

#include "sched/base/relaxed.h"
#include "sched/base/spinlock.h"
#include "sched/task.h"

#include <cstdint>
#include <utility>

namespace csp::inline v0::detail {

class fresh_list {
 public:
  /// Adds one task of `spawner`, which only has to differ from the others: behind those that it has just added, before
  /// all others. Any thread.
  void push(task* item, const void* spawner) noexcept {
    const spinlock_guard guard(lock_);
    task*& place = last_of_newest_ != nullptr && spawner == newest_ ? last_of_newest_->queue_next : young_;
    item->queue_next = place;
    place = item;
    last_of_newest_ = item;
    newest_ = spawner;
    size_.add(1);
  }

  /// Takes up to `limit` tasks; the count. Any thread.
  [[nodiscard]] std::uint32_t pop(task** items, std::uint32_t limit) noexcept {
    if (size() == 0) {
      return 0;
    }
    const spinlock_guard guard(lock_);
    std::uint32_t taken = 0;
    take(young_, items, limit, taken);
    for (std::uint32_t i = 0; i < taken; ++i) {
      last_of_newest_ = items[i] == last_of_newest_ ? nullptr : last_of_newest_;
    }
    take(old_, items, limit, taken);
    size_.add(0U - taken);
    return taken;
  }

  /// Takes up to `limit` of those that have been here for long; the count. Called again and again, it comes to every
  /// task, whatever is pushed meanwhile. Any thread.
  [[nodiscard]] std::uint32_t pop_aged(task** items, std::uint32_t limit) noexcept {
    if (size() == 0) {
      return 0;
    }
    const spinlock_guard guard(lock_);
    if (old_ == nullptr) {
      std::swap(old_, young_);
      last_of_newest_ = nullptr;
    }
    std::uint32_t taken = 0;
    take(old_, items, limit, taken);
    size_.add(0U - taken);
    return taken;
  }

  /// A glance; exact under quiescence. A push that happened before is seen.
  [[nodiscard]] std::uint32_t size() const noexcept { return size_.get(); }

 private:
  static void take(task*& top, task** items, std::uint32_t limit, std::uint32_t& taken) noexcept {
    for (; taken < limit && top != nullptr; ++taken) {
      items[taken] = top;
      top = top->queue_next;
    }
  }

  spinlock lock_{lock_rank::queue};
  task* young_ = nullptr;
  task* old_ = nullptr;
  task* last_of_newest_ = nullptr;  // of the tasks of newest_, which lie in front; null: there are none
  const void* newest_ = nullptr;
  relaxed<std::uint32_t> size_;  // written under the lock
};

}  // namespace csp::inline v0::detail
