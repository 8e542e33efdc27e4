// Readiness of a file descriptor as something to select on: a channel that has a signal when it is worth looking.
//
// Those who watch one direction of a descriptor share the channel of its readiness, which holds one signal. So whoever
// takes a signal must hand it on if the descriptor is ready (`confirm`), and whoever comes new drops what lies there
// and looks for itself: a signal is never needed by somebody who will not find the same by looking. A signal may be of
// an event that is over by now.
#pragma once

#include "netio/readiness.h"

namespace csp::inline v0::detail {

class CSP_API fd_watch {
 public:
  fd_watch(int fd, io_direction way) noexcept : fd_(fd), way_(way) {}

  /// False in a plain thread without a scheduler, and when the system refuses a poller.
  [[nodiscard]] static bool is_possible() noexcept;

  /// Makes channel() receivable as soon as `fd` is ready, at once when it is so already; also when it has an error, is
  /// closed, or is of a kind that cannot be waited for. `fd` may stand for another file each time. Throws
  /// std::logic_error in a plain thread without a scheduler, std::bad_alloc, std::system_error (no poller: EMFILE,
  /// ENOSPC; ENOTSUP: a real descriptor in a simulation). Calls of one object one at a time.
  void prepare();

  /// After prepare().
  [[nodiscard]] watch_channel* channel() const noexcept { return channel_.get(); }

  /// After a receive: whether `fd` is ready. If it is, others who watch get a signal too.
  [[nodiscard]] bool confirm() noexcept;

 private:
  void prepare_simulated();
  [[nodiscard]] bool is_ready() const noexcept;

  int fd_;
  io_direction way_;
  channel_pointer<watch_channel> channel_;
};

}  // namespace csp::inline v0::detail
