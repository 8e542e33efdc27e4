// A look into a running program: counters, the tasks that live, and what happens on a deadlock.
#pragma once

#include "sched/base/config.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace csp::inline v0 {

/// Figures of one scheduler since its start. Each is exact when nothing runs, a glance otherwise.
struct statistics {
  std::uint64_t spawned = 0;   ///< tasks started
  std::uint64_t finished = 0;  ///< tasks ended
  std::uint64_t switches = 0;  ///< changes of the running task on any processor
  std::uint64_t steals = 0;    ///< tasks that one processor took from another
  unsigned processors = 0;     ///< how many the scheduler has, spares not counted
  std::uint64_t sleeps = 0;    ///< times that a processor's thread went to sleep
};

/// Figures of the calling task's scheduler; in a plain thread of the one in csp::run (std::logic_error without one).
[[nodiscard]] CSP_API statistics scheduler_statistics();

/// Figures of the pooled stacks of the process, of all schedulers; see docs/memory.md. A glance while something runs.
struct stack_figures {
  std::size_t in_use = 0;              ///< bound to tasks, or at hand in a processor's pool
  std::size_t idle = 0;                ///< wait for a task, and keep their memory
  std::size_t released = 0;            ///< wait for a task; their memory went back to the kernel
  std::size_t mappings = 0;            ///< mappings that stacks are cut from
  std::size_t mapped_bytes = 0;        ///< address space of those
  std::size_t marker_guards = 0;       ///< guards by MADV_GUARD_INSTALL
  std::size_t protection_guards = 0;   ///< guards by mprotect
  std::size_t canary_guards = 0;       ///< stacks whose overflow is noticed only when their task ends
  std::uint64_t given_memory = 0;      ///< times that a stack without memory was used: what no pool served
  std::uint64_t memory_released = 0;   ///< times that an idle stack's memory went back to the kernel
  std::uint64_t mappings_made = 0;     ///< calls of mmap for stacks
  std::uint64_t mappings_removed = 0;  ///< mappings that went back to the kernel
};

/// Those figures. Any thread; takes a lock for each stack class.
[[nodiscard]] CSP_API stack_figures stack_statistics();

/// Figures of the stacks of tasks that hibernate (task_options::hibernates), of all schedulers.
struct hibernation_figures {
  std::size_t in_use = 0;        ///< tasks that have such a stack
  std::size_t asleep = 0;        ///< those whose stack has no memory now
  std::size_t saved_bytes = 0;   ///< what is kept for these instead
  std::size_t mapped_bytes = 0;  ///< address space of all
  std::uint64_t sleeps = 0;      ///< times that a stack was put to sleep
  std::uint64_t wakes = 0;       ///< times that one was woken since its task ran on
  std::uint64_t touches = 0;     ///< times that one was woken since somebody else touched it
};

/// Those figures. Any thread; a glance while something runs.
[[nodiscard]] CSP_API hibernation_figures hibernation_statistics();

/// True when the kernel has what task_options::hibernates needs: userfaultfd(2) for user faults, with write protection.
/// Containers often forbid it. Any thread.
[[nodiscard]] CSP_API bool can_hibernate() noexcept;

/// How much of their stacks the tasks of one spawn site use, by a sample of those that had a stack of their own.
struct stack_use {
  std::string file;
  std::string function;
  unsigned line = 0;
  std::uint32_t samples = 0;  ///< tasks that were measured, about one in 500
  std::size_t deepest = 0;    ///< bytes, the most of any of them
};

/// The spawn sites that were measured so far. Any thread. \throws std::bad_alloc
[[nodiscard]] CSP_API std::vector<stack_use> stack_use_by_site();

/// What can be told about a task from outside.
struct task_info {
  std::uint64_t id = 0;
  std::string name;  ///< empty when it was given none
  std::string file;  ///< where it was spawned
  std::string function;
  unsigned line = 0;
  std::string state;                     ///< "running" (or ready to), or what it waits for, such as "chan receive"
  std::chrono::milliseconds waiting{0};  ///< for how long it has waited, coarse
};

/// The tasks that live, of all schedulers, by id. Costs the tasks nothing. Any thread. \throws std::bad_alloc
[[nodiscard]] CSP_API std::vector<task_info> tasks();

/// Called with the text when all tasks are asleep and nothing can wake one (see docs/scheduler.md). The default prints
/// the text on stderr and ends the process with status 2.
using deadlock_handler = void (*)(const std::string& report);

/// Replaces the handler and returns the one before; null restores the default. It runs on a thread of the scheduler, or
/// on the one that waits in csp::run, not in a task; if it returns, the tasks sleep on. Any thread.
CSP_API deadlock_handler set_deadlock_handler(deadlock_handler handler) noexcept;

}  // namespace csp::inline v0
