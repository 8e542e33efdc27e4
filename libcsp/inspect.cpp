#include <libcsp/inspect.h>

#include "sched/deadlock.h"
#include "sched/hibernation.h"
#include "sched/inspect.h"
#include "sched/scheduler_core.h"
#include "sched/stack_arena.h"
#include "sched/stack_usage.h"

namespace csp::inline v0 {

statistics scheduler_statistics() {
  const detail::core_statistics sum = detail::spawning_core().statistics();
  return {sum.spawned, sum.finished, sum.switches, sum.steals, sum.processors, sum.sleeps};
}

stack_figures stack_statistics() {
  const detail::stack_arena_statistics sum = detail::stack_arena::instance().statistics();
  const auto guards = [&sum](detail::stack_guard_kind kind) { return sum.guards[static_cast<std::size_t>(kind)]; };
  return {sum.in_use,
          sum.idle,
          sum.released,
          sum.slabs,
          sum.mapped_bytes,
          guards(detail::stack_guard_kind::marker),
          guards(detail::stack_guard_kind::protection),
          guards(detail::stack_guard_kind::canary),
          sum.carves,
          sum.releases,
          sum.mappings_made,
          sum.mappings_ended};
}

hibernation_figures hibernation_statistics() {
  const detail::hibernation_statistics seen = detail::hibernation::instance().statistics();
  return {seen.in_use, seen.asleep, seen.saved_bytes, seen.mapped_bytes, seen.sleeps, seen.wakes, seen.touches};
}

bool can_hibernate() noexcept { return detail::hibernation::available(); }

std::vector<stack_use> stack_use_by_site() {
  std::vector<stack_use> result;
  detail::stack_usage_table::instance().for_each([&result](const detail::stack_usage& known) {
    result.push_back({known.file, known.function, known.line, known.samples, known.deepest});
  });
  return result;
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
