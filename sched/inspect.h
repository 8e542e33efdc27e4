// A look at the tasks that live: for reports and for csp::tasks().
#pragma once

#include "sched/base/clock.h"
#include "sched/task.h"

#include <cstdint>
#include <string>
#include <vector>

namespace csp::inline v0::detail {

class scheduler_core;

/// What can be told about a task without stopping it.
struct task_snapshot {
  std::uint64_t id = 0;
  std::string name;
  const char* file = "";
  const char* function = "";
  unsigned line = 0;
  wait_kind waits_for = wait_kind::none;
  nanos waiting = 0;  // coarse: the monitor's ticks
};

/// All tasks of one scheduler, or of all (null). Any thread; tasks may begin and end meanwhile.
[[nodiscard]] CSP_API std::vector<task_snapshot> snapshot_tasks(const scheduler_core* only = nullptr);

/// The same as text, a line each, at most a hundred of them.
[[nodiscard]] std::string format_tasks(const scheduler_core* only = nullptr);

}  // namespace csp::inline v0::detail
