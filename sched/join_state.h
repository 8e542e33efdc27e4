// The end of a joinable task, as its handle sees it. Sits at the start of the payload of a joinable task.
//
// Task and handle part in any order. The result is destroyed by the second of {task has ended, handle has gone}, never
// in a commit; the cell is recycled by the second of {result is destroyed, the task's stack has been left}.
#pragma once

#include "sched/base/atomic.h"
#include "sched/completion.h"

#include <cstdint>
#include <exception>

namespace csp::inline v0::detail {

struct join_state {
  completion end;
  std::exception_ptr error;  // written before the end

  enum event : std::uint32_t { ended = 1, handle_gone = 2, result_destroyed = 4, stack_left = 8 };

  /// Records an event; the events before it. acq_rel: the second party sees all that the first one did.
  [[nodiscard]] std::uint32_t record(event what) noexcept { return events_.fetch_or(what, std::memory_order_acq_rel); }

 private:
  atomic<std::uint32_t> events_{0};
};

}  // namespace csp::inline v0::detail
