// The common course of an emulated blocking call: try without blocking, wait for the descriptor, try again; and of a
// call that is made on another thread. The task comes back to its thread either way: the compiled code above us may
// have cached the address of errno, or of a thread-local of its own.
#pragma once

#include "netio/hook/managed.h"
#include "sched/blocking_pool.h"

#include <system_error>
#include <type_traits>
#include <utility>

namespace csp::inline v0::detail::hook {

/// Waits on behalf of a call that has just said EAGAIN. True: try again. False: errno is what the call must say.
[[nodiscard]] bool wait_for(io_operation& operation, int fd, io_direction way) noexcept;

/// What the outcome of a wait means for such a call; false with its errno.
[[nodiscard]] bool may_go_on(io_wait outcome) noexcept;

/// Makes a call that is allowed to block: tries, waits, and answers as libc does; where the user has set O_NONBLOCK,
/// only the first try. `attempt` must not block, and says -1 with errno EAGAIN where it would have to. `asked`: on a
/// stream, how many bytes, so that a short count tells that nothing is left; else 0. `deadline`: on the steady clock;
/// 0: by SO_RCVTIMEO or SO_SNDTIMEO, from the first wait on. In a task.
template <class Attempt>
ssize_t call_blocking(int fd, io_direction way, std::size_t asked, Attempt attempt, nanos deadline = 0) noexcept {
  io_options options;
  options.foreign = !is_known(fd);
  options.sticky = true;
  io_operation operation(fd, way, options);
  bool first = true;
  for (;;) {
    if (operation.begin_try()) {
      const ssize_t result = attempt();
      if (result >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) {
        operation.end_try(result > 0 && static_cast<std::size_t>(result) < asked);
        return result;
      }
    }
    if (first) {
      first = false;
      if (is_nonblocking(fd)) {
        errno = EAGAIN;
        return -1;
      }
      if (deadline == 0) {
        const nanos limit = time_limit(fd, way);
        deadline = limit == never ? never : add_saturating(steady_now(), limit);
      }
      options.deadline = deadline;
    }
    const bool at_once = operation.is_watched() && in_own_process();
    const io_wait outcome = at_once ? operation.wait_for_edge() : io_wait::failed;
    __builtin_prefetch(numbers.find(fd));  // needed after the attempt, by the next call
    if (outcome != io_wait::ready && !(at_once ? may_go_on(outcome) : wait_for(operation, fd, way))) {
      return -1;
    }
  }
}

/// A glance by poll(2): a read or write would not block now, or would fail.
[[nodiscard]] bool looks_ready(int fd, io_direction way) noexcept;

/// An attempt for descriptors whose calls have no flag against blocking: asks poll(2) first, and nobody else of this
/// program comes between.
template <class Call>
auto when_ready(int fd, io_direction way, Call call) noexcept -> std::invoke_result_t<Call&> {
  const std::lock_guard guard(turn(fd));
  if (!looks_ready(fd, way)) {
    errno = EAGAIN;
    return -1;
  }
  return call();
}

/// Which threads a call goes to: those for calls that end by themselves, or those for calls that may wait for others.
enum class offload_to : std::uint8_t { short_calls, lingering_calls };

/// Runs `call()` on another thread while the task waits; errno comes along when the result is -1. Cannot be cancelled.
/// When no thread can be had, runs it here. In a task.
template <class Call>
auto offload(offload_to where, Call call) noexcept -> std::invoke_result_t<Call&> {
  using result = std::invoke_result_t<Call&>;
  struct frame : detail::blocking_call {
    explicit frame(Call& target) : callable(target) {}
    Call& callable;
    result value{};
    int error = 0;
  } job(call);
  job.run = [](detail::blocking_call& self) noexcept {
    auto& mine = static_cast<frame&>(self);
    mine.value = mine.callable();
    mine.error = errno;
  };
  const int saved = errno;
  task& self = *this_processor()->current();
  ++self.shields;  // a call that libc would make must not be left out
  try {
    const stay_on_thread stay(true);
    where == offload_to::short_calls ? run_blocking(job) : run_lingering(job);
  } catch (const std::system_error&) {
    job.run(job);
  }
  --self.shields;
  if constexpr (std::is_integral_v<result>) {
    errno = job.value == static_cast<result>(-1) ? job.error : saved;
  } else {
    errno = saved;
  }
  return job.value;
}

}  // namespace csp::inline v0::detail::hook
