// Starting tasks.
#pragma once

#include "sched/base/source_location.h"
#include "sched/spawn.h"

#include <concepts>
#include <exception>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>

namespace csp::inline v0 {

/// How a task is made.
struct task_options {
  /// For reports and fatal messages; at most 31 characters are kept. Need not outlive the call.
  std::string_view name{};
  /// Bytes of stack, rounded up to a power of two from 8 KiB to 8 MiB; 0: the scheduler's default.
  std::size_t stack_size = 0;
  /// The task runs on one processor for all its life and is never stolen.
  bool pinned = false;
  /// So many bytes at the top of its stack are the user's: csp::private_memory() in that task. At most a quarter of it.
  std::size_t private_bytes = 0;
  /// Choose a smaller stack by what tasks of the same spawn site have used (csp::stack_use_by_site): stack_size until
  /// enough of them were measured, then room for twice the deepest, 16 KiB at least. A task that goes deeper than that
  /// dies with a message; so only for tasks whose depth does not depend on their input.
  bool measured_stack = false;
  /// Where its stack comes from (libcsp/stacks.h): any stack_allocator, which must outlive the task;
  /// stack_source::pooled() for the pool. Empty: the scheduler's choice.
  stack_source stacks{};
  /// While the task waits for long (options::hibernate_after) the memory of its stack goes back to the kernel; only
  /// what it needs is kept, and put back to the same addresses before it runs, which costs it some microseconds. For
  /// tasks that mostly wait, by the hundred thousand. Pointers into its stack stay good: who follows one meanwhile
  /// brings the stack back. But a system call of another thread that is given such a pointer fails with EFAULT. Where
  /// the kernel cannot do it (csp::can_hibernate) the task has an ordinary stack. Not together with stacks or
  /// measured_stack.
  bool hibernates = false;
};

namespace detail {
inline spawn_options spawn_options_of(const task_options& options, source_location site) noexcept {
  return {options.name,          options.stack_size,     options.pinned, site,
          options.private_bytes, options.measured_stack, options.stacks, options.hibernates};
}
}  // namespace detail

/// Starts a detached task that runs `fn()`; its result is dropped. In a task it goes to that task's scheduler, in a
/// plain thread to the one in csp::run. An exception that leaves it, other than csp::canceled, ends the program.
/// \throws std::bad_alloc when there is no memory for a task or its stack; nothing has started then
/// \throws std::logic_error in a plain thread when no csp::run is at work
/// \throws std::invalid_argument when stack_size is above 8 MiB, or private_bytes above a quarter of the stack,
///         or it shall hibernate on a stack from elsewhere or a measured one
/// \throws what a stack_allocator in the options throws
/// Does not block. Any task or thread.
template <class F>
void go(task_options options, F&& fn, source_location site = source_location::current()) {
  detail::spawn_detached(detail::spawning_core(), detail::spawn_options_of(options, site), std::forward<F>(fn));
}

/// The same with default options.
template <class F>
requires std::invocable < std::decay_t<F>
& > void go(F&& fn, source_location site = source_location::current()) {
  detail::spawn_detached(detail::spawning_core(), site, std::forward<F>(fn));
}

/// A task whose end can be waited for. Move-only; destroying it unjoined detaches the task. Not thread-safe itself.
template <class R>
class [[nodiscard]] join_handle {
 public:
  join_handle() noexcept = default;
  join_handle(join_handle&& other) noexcept
      : task_(std::exchange(other.task_, nullptr)), generation_(other.generation_) {}
  join_handle& operator=(join_handle&& other) noexcept {
    if (this != &other) {
      detach();
      task_ = std::exchange(other.task_, nullptr);
      generation_ = other.generation_;
    }
    return *this;
  }
  ~join_handle() { detach(); }

  /// Waits for the end of the task; returns its value, or rethrows the exception that left it (csp::canceled if it was
  /// cancelled). Once. A cancellation point: then it throws csp::canceled and the handle is still joinable.
  /// \throws std::logic_error when there is nothing to join, or a task joins itself
  R join() {
    if (task_ == nullptr) {
      throw std::logic_error("csp::join_handle: nothing to join");
    }
    detail::await_end(*task_);
    const join_handle ended(std::move(*this));  // lets the task go on every way out
    return detail::take_result<R>(*ended.task_);
  }

  /// True until join(), detach() or a move.
  [[nodiscard]] bool joinable() const noexcept { return task_ != nullptr; }

  /// Asks the task to end (see libcsp/cancel.h); does not wait for it. Does nothing when it has ended. Any thread.
  void cancel() noexcept {
    if (task_ != nullptr) {
      detail::cancel(*task_, generation_);
    }
  }

  /// Lets the task run on alone; its result, or its exception, is dropped.
  void detach() noexcept {
    if (task_ != nullptr) {
      detail::drop_handle(*std::exchange(task_, nullptr));
    }
  }

  /// For the library: takes over a fresh joinable task.
  join_handle(detail::task& task, std::uint32_t generation) noexcept : task_(&task), generation_(generation) {}

 private:
  detail::task* task_ = nullptr;
  std::uint32_t generation_ = 0;
};

/// Starts a task that runs `fn()` and whose value or exception is fetched by join(). Otherwise as go().
template <class F>
auto spawn(task_options options, F&& fn, source_location site = source_location::current()) {
  return detail::spawn_joinable<join_handle>(detail::spawning_core(), detail::spawn_options_of(options, site),
                                             std::forward<F>(fn));
}

/// The same with default options.
template <class F>
requires std::invocable < std::decay_t<F>
& > auto spawn(F&& fn, source_location site = source_location::current()) {
  return detail::spawn_joinable<join_handle>(detail::spawning_core(), site, std::forward<F>(fn));
}

}  // namespace csp::inline v0
