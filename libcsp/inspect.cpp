#include <libcsp/inspect.h>

#include "sched/deadlock.h"
#include "sched/inspect.h"
#include "sched/scheduler_core.h"

namespace csp::inline v0 {

statistics scheduler_statistics() {
  const detail::core_statistics sum = detail::spawning_core().statistics();
  return {sum.spawned, sum.finished, sum.switches, sum.steals, sum.processors, sum.sleeps};
}

std::vector<task_info> tasks() {
  std::vector<task_info> result;
  for (const detail::task_snapshot& entry : detail::snapshot_tasks()) {
    result.push_back({entry.id, entry.name, entry.file, entry.function, entry.line, detail::describe(entry.waits_for),
                      std::chrono::milliseconds(entry.waiting / 1'000'000)});
  }
  return result;
}

deadlock_handler set_deadlock_handler(deadlock_handler handler) noexcept {
  return detail::exchange_deadlock_function(handler);
}

}  // namespace csp::inline v0
