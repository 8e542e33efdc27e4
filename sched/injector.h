// The entrance for tasks that plain threads spawn: moodycamel's queue with a count of its own.
//
// The queue is not linearizable: it may look empty for a moment while it is not. So nobody sleeps on its word; the
// count is raised before an item goes in and lowered after it came out, and a count above zero means "look again".
#pragma once

#include "sched/base/atomic.h"
#include "sched/task.h"

#include <cstdint>
#include <memory>

namespace csp::inline v0::detail {

class injector {
 public:
  injector();
  ~injector();
  injector(const injector&) = delete;
  injector& operator=(const injector&) = delete;

  /// Appends a task. Any thread. Throws std::bad_alloc, and then the task is not in the queue.
  void push(task& item);

  /// Takes up to `limit` tasks; the count, which may be 0 although size() is not. Any thread.
  [[nodiscard]] std::uint32_t pop(task** items, std::uint32_t limit) noexcept;

  /// How many tasks are in, or on their way in. Any thread.
  [[nodiscard]] std::uint32_t size() const noexcept { return count_.load(std::memory_order_acquire); }

 private:
  struct queue;  // keeps moodycamel's header out of ours
  std::unique_ptr<queue> queue_;
  atomic<std::uint32_t> count_{0};
};

}  // namespace csp::inline v0::detail
