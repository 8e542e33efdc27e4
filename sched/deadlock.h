// "All tasks are asleep": looked for by a scheduler's monitor when it finds all processors parked and stands by.
// That is some milliseconds after the last one went idle, a second where descriptors are watched, and never again while
// they sleep. A processor does not look: to ask the kernel who else there is in the process costs as much as to be
// woken.
//
// A deadlock is reported when, in every running scheduler, all processors are parked and no queue holds a task, no
// timer is armed, no blocking call runs, and the process has no thread that could still wake somebody: none but ours,
// those that wait in csp::run or scheduler::drain, and a sanitizer's. Then nothing can ever happen again, so a single
// look is final.
#pragma once

#include "sched/base/config.h"

#include <cstddef>
#include <string>

namespace csp::inline v0::detail {

class scheduler_core;

/// Called with the text of the report.
using deadlock_function = void (*)(const std::string& report);

/// Replaces the handler; returns the one before. The default prints the report and ends the process with status 2.
CSP_API deadlock_function exchange_deadlock_function(deadlock_function handler) noexcept;

/// A scheduler takes part in the check from enlist() to delist().
void enlist_scheduler(scheduler_core& core);
void delist_scheduler(scheduler_core& core) noexcept;

/// Timers that are armed in the schedulers that take part. Any thread.
[[nodiscard]] CSP_API std::size_t armed_timers();

/// Looks at all schedulers, and reports. By scheduler_core::look_for_deadlock(), whose own one seems to stand still.
void check_for_deadlock() noexcept;

}  // namespace csp::inline v0::detail
