// Operations that wait for a file descriptor: try, and on EAGAIN wait for an edge and try again. What csp::net and the
// hooks are built from. Works from any task or thread; a plain thread without a scheduler waits in poll(2).
#pragma once

#include "netio/netpoller.h"
#include "sched/base/clock.h"
#include "sched/base/tls.h"
#include "sched/scheduler_core.h"
#include "sched/stay_on_thread.h"

#include <sys/types.h>
#include <cerrno>
#include <cstddef>

namespace csp::inline v0::detail {

/// How an operation waits.
struct io_options {
  nanos deadline = never;  // steady clock
  /// The number may be closed and used again without our knowing: verify it at each wait.
  bool foreign = false;
  /// The task comes back to the thread it parked on: for calls below frames that may have cached a thread-local.
  bool sticky = false;
};

/// Where an operation can wait: in the poller of its scheduler, in poll(2) because there is none, or not at all.
enum class [[nodiscard]] io_place : std::uint8_t{poller, thread, nowhere};

/// One operation on one direction of a file descriptor; lives in the frame of the call.
class CSP_API io_operation {
 public:
  CSP_ALWAYS_INLINE io_operation(int fd, io_direction way, const io_options& options) noexcept
      : fd_(fd), way_(way), options_(options) {
    const processor* const here = this_processor();
    poller* const source = here != nullptr ? here->core().io() : nullptr;
    if (source != nullptr) [[likely]] {
      poller_ = static_cast<netpoller*>(source);
      entry_ = poller_->at(fd);
    } else {
      find_entry();
    }
  }
  io_operation(const io_operation&) = delete;
  io_operation& operator=(const io_operation&) = delete;

  /// Before each try. False when a try would only say EAGAIN: wait at once.
  [[nodiscard]] bool begin_try() noexcept {
    if (entry_ == nullptr) {
      return true;
    }
    readiness& side = entry_->side(way_);
    seen_ = side.edges();
    return waited_ || !side.is_drained() || options_.foreign;
  }

  /// The first part of wait(), for who must look at something between it and the wait: whoever gives the number up
  /// (netpoller::forget) or nudges it after this has returned `poller` ends the wait. `nowhere`: errno says why.
  io_place prepare() noexcept;

  /// After a try that said EAGAIN: waits until another one is worth it. `failed`: errno says why nobody can wait.
  io_wait wait();

  /// True when edges come in already: then the wait may be wait_for_edge() alone. Who gives the number up, or nudges
  /// it, after begin_try() ends that wait.
  [[nodiscard]] CSP_ALWAYS_INLINE bool is_watched() const noexcept {
    // acquire: as in netpoller::watch().
    return entry_ != nullptr && entry_->wants(way_).load(std::memory_order_acquire) && !options_.foreign;
  }
  /// The wait itself; inlined, for a switch of stacks makes each return above it a mispredicted one (switch_task.h).
  CSP_ALWAYS_INLINE io_wait wait_for_edge() {
    waited_ = true;
    const stay_on_thread stay(options_.sticky);
    return entry_->side(way_).wait(seen_, way_ == io_direction::read ? wait_kind::readable : wait_kind::writable,
                                   options_.deadline);
  }

  /// After a try that succeeded. `drained`: it moved less than was asked, on a stream, so the next one can wait at
  /// once.
  void end_try(bool drained) noexcept {
    if (entry_ == nullptr) {
      return;
    }
    readiness& side = entry_->side(way_);
    if (drained && entry_->wants(way_).load(std::memory_order_relaxed) &&
        !entry_->unusual.load(std::memory_order_relaxed)) {
      side.note_drained(seen_);
    }
    if (waited_) {
      side.pass_on();
    }
  }

 private:
  /// In a plain thread, before the first wait of a scheduler, and in a simulation.
  void find_entry() noexcept;
  [[nodiscard]] io_wait wait_without_poller() noexcept;

  const int fd_;
  const io_direction way_;
  bool waited_ = false;
  const io_options& options_;
  netpoller* poller_ = nullptr;  // null as well for a simulated socket, whose entry is in its network
  descriptor* entry_ = nullptr;  // null: there is no poller, or the number is out of its range
  std::uint32_t seen_ = 0;
};

/// Calls `attempt()`, a system call that does not block, until it says something else than EAGAIN, or until a wait ends
/// otherwise: then -1 with errno ETIMEDOUT, EBADF (closed by another task), ECANCELED (the task was cancelled), or what
/// made waiting impossible. EINTR is the attempt's own affair. `asked`: on a stream, how many bytes, so that a short
/// count can be told; else 0. In a task only with `sticky`, for a compiler keeps the address of errno over the wait
/// (netio/outcome.h); csp::net has a form without errno, shared_fd::retry.
template <class Attempt>
ssize_t io_retry(int fd, io_direction way, const io_options& options, std::size_t asked, Attempt attempt) {
  io_operation operation(fd, way, options);
  for (;;) {
    if (operation.begin_try()) {
      const ssize_t result = attempt();
      if (result >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) {
        operation.end_try(result > 0 && static_cast<std::size_t>(result) < asked);
        return result;
      }
    }
    switch (operation.wait()) {
      case io_wait::ready:
        break;
      case io_wait::timeout:
        errno = ETIMEDOUT;
        return -1;
      case io_wait::closed:
        errno = EBADF;
        return -1;
      case io_wait::canceled:
        errno = ECANCELED;
        return -1;
      case io_wait::failed:
        return -1;
    }
  }
}

}  // namespace csp::inline v0::detail
