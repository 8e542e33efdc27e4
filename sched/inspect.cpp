#include "sched/inspect.h"

#include "sched/cell_arena.h"
#include "sched/scheduler_core.h"

#include <algorithm>
#include <cstdio>

namespace csp::inline v0::detail {
namespace {

constexpr std::size_t most_lines = 100;
constexpr nanos millisecond = 1'000'000;

}  // namespace

std::vector<task_snapshot> snapshot_tasks(const scheduler_core* only) {
  std::vector<task_snapshot> result;
  cell_arena::instance().for_each_live([&](task& subject, std::uint32_t generation) {
    const scheduler_core* const core = subject.listed_core.get();
    if (core == nullptr || (only != nullptr && core != only)) {
      return;
    }
    task_snapshot entry;
    entry.id = subject.id.get();
    char name[sizeof subject.name];
    subject.copy_name(name);
    entry.name = name;
    const source_location site = subject.site.get();
    entry.file = site.file_name();
    entry.function = site.function_name();
    entry.line = site.line();
    entry.waits_for = subject.waits_for.get();
    if (entry.waits_for != wait_kind::none) {
      entry.waiting = static_cast<nanos>(core->coarse_time() - subject.waiting_since.get()) * millisecond;
    }
    // Another task has taken the cell meanwhile: what was read may be of two.
    full_fence();
    if (subject.generation.get() == generation) {
      result.push_back(std::move(entry));
    }
  });
  std::sort(result.begin(), result.end(), [](const task_snapshot& a, const task_snapshot& b) { return a.id < b.id; });
  return result;
}

std::string format_tasks(const scheduler_core* only) {
  const std::vector<task_snapshot> tasks = snapshot_tasks(only);
  std::string text;
  for (std::size_t i = 0; i < tasks.size() && i < most_lines; ++i) {
    const task_snapshot& entry = tasks[i];
    char line[512];
    std::snprintf(line, sizeof line, "  task %llu%s%s%s, spawned at %s:%u: %s",
                  static_cast<unsigned long long>(entry.id), entry.name.empty() ? "" : " '", entry.name.c_str(),
                  entry.name.empty() ? "" : "'", entry.file, entry.line, describe(entry.waits_for));
    text += line;
    if (entry.waits_for != wait_kind::none) {
      std::snprintf(line, sizeof line, " for about %lld ms", static_cast<long long>(entry.waiting / millisecond));
      text += line;
    }
    text += '\n';
  }
  if (tasks.size() > most_lines) {
    text += "  ... and " + std::to_string(tasks.size() - most_lines) + " more\n";
  }
  return text;
}

}  // namespace csp::inline v0::detail
