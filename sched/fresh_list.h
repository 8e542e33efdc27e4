// A locked list of tasks that have not started, beyond what a processor's ring holds: the newest comes out first.
//
// Of a tree of tasks that wait for their children the newest first means in depth: few have started at a time and hold
// a stack. So that the oldest ones come to run too, the list is two stacks: what is asked for as `aged` comes from one
// that gets no new tasks; when that is empty, it takes the place of the other one.
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
  /// Puts one task on top. Any thread.
  void push(task* item) noexcept {
    const spinlock_guard guard(lock_);
    item->queue_next = young_;
    young_ = item;
    size_.add(1);
  }

  /// Takes up to `limit` tasks, the newest first; the count. Any thread.
  [[nodiscard]] std::uint32_t pop(task** items, std::uint32_t limit) noexcept {
    if (size() == 0) {
      return 0;
    }
    const spinlock_guard guard(lock_);
    std::uint32_t taken = 0;
    take(young_, items, limit, taken);
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
  relaxed<std::uint32_t> size_;  // written under the lock
};

}  // namespace csp::inline v0::detail
