// Running a program of tasks: csp::run for the common case, csp::scheduler for more.
#pragma once

#include <libcsp/go.h>
#include <libcsp/inspect.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace csp::inline v0 {

/// What happens when cancelled tasks have not ended within the grace period: they are named on stderr, and then
enum class on_stuck {
  wait,   ///< csp::run waits on for them
  abort,  ///< the program ends by abort()
};

/// How a scheduler is made.
struct options {
  /// Processors: OS threads that run tasks. 0: CSP_PROCESSORS if set, else the CPUs of the affinity mask, limited by
  /// the cgroup's quota.
  unsigned processors = 0;
  /// Threads that may be added while processors are stuck in one task (a blocking call, or a long computation) and work
  /// waits. 0: never more than `processors` tasks run at once.
  unsigned spares = 4;
  /// Bytes of stack for a task that asks for none, from 8 KiB to 8 MiB. 0: CSP_STACK if set, else 256 KiB.
  std::size_t stack_size = 0;
  /// How long stop() waits for cancelled tasks before it names those that have not ended.
  std::chrono::milliseconds grace{10'000};
  /// How long a task with task_options::hibernates waits before its stack goes to sleep, at least; a millisecond or
  /// more.
  std::chrono::milliseconds hibernate_after{100};
  on_stuck stuck = on_stuck::wait;
  /// Seed of the scheduler's choices (victims of theft, ready arms of a select). 0: from the clock.
  std::uint64_t seed = 0;
  /// Where stacks come from (libcsp/stacks.h): any stack_allocator, which must outlive the scheduler. Empty: the pool.
  stack_source stacks{};
};

namespace detail {

/// One csp::run: starts a scheduler, runs one task to its end, and stops.
class CSP_API run_session {
 public:
  /// Throws std::logic_error inside a task, std::invalid_argument for a bad option or environment.
  explicit run_session(const options& wanted);
  ~run_session();
  run_session(const run_session&) = delete;
  run_session& operator=(const run_session&) = delete;

  /// Runs `body(argument)` in the main task; returns when all tasks have ended. `body` does not throw.
  void execute(void (*body)(void* argument) noexcept, void* argument, source_location site);

 private:
  scheduler_core* core_;
};

}  // namespace detail

/// Starts a scheduler, runs `fn()` in a task, and waits for it. Returns its value, or rethrows its exception. Then
/// tasks that still live are cancelled (see libcsp/cancel.h): they unwind, their destructors run, those that never
/// started are destroyed; run returns when all have ended and every thread is joined. \throws std::logic_error inside a
/// task; std::invalid_argument for a bad option or a bad CSP_PROCESSORS or CSP_STACK;
///         std::system_error when no thread can be made; std::bad_alloc
template <class F>
auto run(const options& wanted, F&& fn, source_location site = source_location::current()) -> std::invoke_result_t<F&> {
  using result = std::invoke_result_t<F&>;
  constexpr bool has_value = !std::is_void_v<result>;
  static_assert(!std::is_reference_v<result>, "csp::run: return a value or a pointer instead of a reference");
  struct frame_type {
    F& target;
    std::optional<std::conditional_t<has_value, result, bool>> value;
    std::exception_ptr error;
  } frame{fn, std::nullopt, nullptr};
  detail::run_session session(wanted);
  session.execute(
      [](void* argument) noexcept {
        auto& here = *static_cast<frame_type*>(argument);
        try {
          if constexpr (has_value) {
            here.value.emplace(here.target());
          } else {
            here.target();
          }
        } catch (...) {
          here.error = std::current_exception();
        }
      },
      &frame, site);
  if (frame.error != nullptr) {
    std::rethrow_exception(std::move(frame.error));
  }
  if constexpr (has_value) {
    return std::move(*frame.value);
  }
}

/// The same with default options.
template <class F>
requires std::invocable<F&>
auto run(F&& fn, source_location site = source_location::current()) -> std::invoke_result_t<F&> {
  return run(options{}, std::forward<F>(fn), site);
}

/// A scheduler of its own, beside others or the one in csp::run. start, drain and stop are for plain threads, one at a
/// time; go and spawn for anybody, while it runs.
class CSP_API scheduler {
 public:
  /// Takes the options; starts nothing. \throws std::invalid_argument for a bad one; std::bad_alloc
  explicit scheduler(const options& wanted = {});
  /// Stops.
  ~scheduler();
  scheduler(const scheduler&) = delete;
  scheduler& operator=(const scheduler&) = delete;

  /// Starts the processors; does nothing when it runs. \throws std::system_error when no thread can be made
  void start();
  /// Waits until no task lives. Blocks the calling thread; with tasks that never end, for ever.
  void drain();
  /// Cancels the tasks that live, waits for their end, and joins every thread. start() may follow.
  void stop();

  /// As csp::go and csp::spawn, on this scheduler, from any task or thread.
  /// \throws std::logic_error when it does not run; std::bad_alloc; std::invalid_argument
  template <class F>
  void go(task_options task, F&& fn, source_location site = source_location::current()) {
    detail::spawn_detached(*core_, detail::spawn_options_of(task, site), std::forward<F>(fn));
  }
  template <class F>
  requires std::invocable < std::decay_t<F>
  & > void go(F&& fn, source_location site = source_location::current()) {
    go(task_options{}, std::forward<F>(fn), site);
  }
  template <class F>
  auto spawn(task_options task, F&& fn, source_location site = source_location::current()) {
    return detail::spawn_joinable<join_handle>(*core_, detail::spawn_options_of(task, site), std::forward<F>(fn));
  }
  template <class F>
  requires std::invocable < std::decay_t<F>
  & > auto spawn(F&& fn, source_location site = source_location::current()) {
    return spawn(task_options{}, std::forward<F>(fn), site);
  }

  /// How many processors it has, spares not counted.
  [[nodiscard]] unsigned processors() const noexcept;
  /// Its figures since start().
  [[nodiscard]] statistics stats() const;

 private:
  options wanted_;
  unsigned processors_;
  detail::scheduler_core* core_;
};

}  // namespace csp::inline v0
