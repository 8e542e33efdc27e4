// A locked FIFO that is intrusive through the tasks, so that an append cannot fail: a processor's overflow list, its
// inbox of pinned tasks, and the list of tasks that were made ready from outside.
#pragma once

#include "sched/base/relaxed.h"
#include "sched/base/spinlock.h"
#include "sched/task.h"

#include <array>
#include <cstdint>

namespace csp::inline v0::detail {

class task_list {
 public:
  /// Appends one task. Any thread.
  void push(task* item) noexcept {
    item->queue_next = nullptr;
    const spinlock_guard guard(lock_);
    if (tail_ != nullptr) {
      tail_->queue_next = item;
    } else {
      head_ = item;
    }
    tail_ = item;
    size_.add(1);
  }

  /// Takes up to `limit` of the oldest tasks; the count. Any thread.
  [[nodiscard]] std::uint32_t pop(task** items, std::uint32_t limit) noexcept {
    if (size() == 0) {
      return 0;
    }
    const spinlock_guard guard(lock_);
    std::uint32_t taken = 0;
    while (taken < limit && head_ != nullptr) {
      items[taken++] = head_;
      head_ = head_->queue_next;
    }
    if (head_ == nullptr) {
      tail_ = nullptr;
    }
    size_.add(0U - taken);
    return taken;
  }

  /// Takes the oldest task; null: none. `following`: the two after it, or null. Any thread.
  [[nodiscard]] task* pop(std::array<task*, 2>& following) noexcept {
    if (size() == 0) {
      return nullptr;
    }
    const spinlock_guard guard(lock_);
    task* const item = head_;
    if (item != nullptr) {
      head_ = item->queue_next;
      tail_ = head_ != nullptr ? tail_ : nullptr;
      following[0] = head_;
      following[1] = head_ != nullptr ? head_->queue_next : nullptr;
      size_.add(0U - 1);
    }
    return item;
  }

  /// A glance; exact under quiescence. A push that happened before is seen.
  [[nodiscard]] std::uint32_t size() const noexcept { return size_.get(); }

 private:
  spinlock lock_{lock_rank::queue};
  task* head_ = nullptr;
  task* tail_ = nullptr;
  relaxed<std::uint32_t> size_;  // written under the lock
};

}  // namespace csp::inline v0::detail
