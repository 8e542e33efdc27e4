#include "netio/io.h"

#include "netio/network.h"
#include "netio/real.h"
#include "sched/base/tls.h"
#include "sched/processor.h"

#include <poll.h>
#include <algorithm>
#include <climits>
#include <string>

namespace csp::inline v0::detail {

void io_operation::find_entry() noexcept {
  if (is_simulated(fd_)) {
    network* const net = network_of_caller();
    entry_ = net != nullptr ? net->at(fd_) : nullptr;
    return;
  }
  poller_ = netpoller::of_caller();
  entry_ = poller_ != nullptr ? poller_->at(fd_) : nullptr;
}

io_place io_operation::prepare() noexcept {
  if (is_simulated(fd_)) {
    if (entry_ == nullptr) {
      errno = EBADF;
      return io_place::nowhere;
    }
    waited_ = true;
    return io_place::poller;
  }
  if (entry_ == nullptr) {
    const bool refused =
        refuse_in_simulation(std::string("a wait to ") + (way_ == io_direction::read ? "read" : "write") +
                             " at file descriptor " + std::to_string(fd_));
    return refused ? io_place::nowhere : io_place::thread;
  }
  const std::error_code error = poller_->watch(fd_, *entry_, way_, options_.foreign);
  if (!error) {
    waited_ = true;
    return io_place::poller;
  }
  errno = error.value();
  if (errno != EPERM && errno != ECANCELED) {
    return io_place::nowhere;
  }
  entry_ = nullptr;  // epoll refuses this kind of file; or the scheduler has stopped, and this is a plain thread
  return io_place::thread;
}

io_wait io_operation::wait() {
  switch (prepare()) {
    case io_place::thread:
      return wait_without_poller();
    case io_place::nowhere:
      return io_wait::failed;
    case io_place::poller:
      break;
  }
  return wait_for_edge();
}

io_wait io_operation::wait_without_poller() noexcept {
  constexpr nanos nanos_per_millisecond = 1'000'000;
  for (;;) {
    int limit = -1;
    if (options_.deadline != never) {
      const nanos rest = std::max(options_.deadline - steady_now(), nanos{0});
      limit = static_cast<int>(std::min<nanos>((rest + nanos_per_millisecond - 1) / nanos_per_millisecond, INT_MAX));
    }
    pollfd subject{fd_, static_cast<short>(way_ == io_direction::read ? POLLIN : POLLOUT), 0};
    const int count = real::poll(&subject, 1, limit);
    if (count > 0) {
      return (subject.revents & POLLNVAL) != 0 ? io_wait::closed : io_wait::ready;
    }
    if (count == 0 && options_.deadline != never && steady_now() >= options_.deadline) {
      return io_wait::timeout;
    }
    if (count < 0 && errno != EINTR) {
      return io_wait::failed;
    }
  }
}

}  // namespace csp::inline v0::detail
