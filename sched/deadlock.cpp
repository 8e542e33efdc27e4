#include "sched/deadlock.h"

#include "sched/base/atomic.h"
#include "sched/base/os_thread.h"
#include "sched/inspect.h"
#include "sched/scheduler_core.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <vector>

namespace csp::inline v0::detail {
namespace {

// Never destroyed: a scheduler may run while static objects go.
struct registry {
  std::mutex lock;
  std::vector<scheduler_core*> running;  // guarded by lock, as all below
  // The standstill that was reported last: several threads may see the same one.
  std::uint64_t reported_departures = 0;
  std::uint64_t reported_switches = 0;
};

registry& schedulers() {
  static auto* const instance = new registry;
  return *instance;
}

void print_and_exit(const std::string& report) {
  std::fflush(stdout);
  std::fputs(report.c_str(), stderr);
  std::fflush(stderr);
  std::_Exit(2);
}

atomic<deadlock_function> handler_of_deadlock{print_and_exit};

}  // namespace

deadlock_function exchange_deadlock_function(deadlock_function handler) noexcept {
  return handler_of_deadlock.exchange(handler != nullptr ? handler : print_and_exit, std::memory_order_acq_rel);
}

void enlist_scheduler(scheduler_core& core) {
  registry& all = schedulers();
  const std::lock_guard guard(all.lock);
  all.running.push_back(&core);
}

void delist_scheduler(scheduler_core& core) noexcept {
  registry& all = schedulers();
  const std::lock_guard guard(all.lock);
  std::erase(all.running, &core);
}

std::size_t armed_timers() {
  registry& all = schedulers();
  const std::lock_guard guard(all.lock);
  std::size_t count = 0;
  for (const scheduler_core* const core : all.running) {
    for (unsigned i = 0; i < core->active(); ++i) {
      count += core->at(i).timers.size();
    }
  }
  return count;
}

void check_for_deadlock() noexcept {
  registry& all = schedulers();
  std::string report;
  {
    const std::lock_guard guard(all.lock);
    // The look is not atomic; a processor that goes to work meanwhile is told by the departures.
    const auto departures = [&all] {
      std::uint64_t sum = 0;
      for (const scheduler_core* const core : all.running) sum += core->idle.departures();
      return sum;
    };
    const std::uint64_t before = departures();
    const auto stands_still = [](const scheduler_core* core) { return core->stands_still(); };
    const auto has_tasks = [](const scheduler_core* core) { return !core->all_ended(); };
    const auto all_switches = [&all] {
      std::uint64_t sum = 0;
      for (const scheduler_core* const core : all.running) {
        sum += core->statistics().switches;
      }
      return sum;
    };
    const std::uint64_t switches = all_switches();
    if (!std::all_of(all.running.begin(), all.running.end(), stands_still) ||
        std::none_of(all.running.begin(), all.running.end(), has_tasks) || has_foreign_threads() ||
        departures() != before) {
      return;
    }
    // The thread that was foreign a moment ago may have left work and be waiting in libcsp by now: only if nothing
    // moved between two looks, with no foreign thread between them, can nothing move.
    if (!std::all_of(all.running.begin(), all.running.end(), stands_still) || all_switches() != switches) {
      return;
    }
    if (before == all.reported_departures && switches == all.reported_switches) {
      return;
    }
    all.reported_departures = before;
    all.reported_switches = switches;
    report = "csp: deadlock: all tasks are asleep and nothing can wake them\n" + format_tasks();
  }
  handler_of_deadlock.load(std::memory_order_acquire)(report);
}

}  // namespace csp::inline v0::detail
