#include "netio/fd_watch.h"

#include "netio/netpoller.h"
#include "netio/network.h"
#include "netio/real.h"

#include <poll.h>
#include <cerrno>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>

namespace csp::inline v0::detail {
namespace {

/// A channel on which every receive succeeds at once.
[[nodiscard]] channel_pointer<watch_channel> always_ready() {
  channel_pointer<watch_channel> made(new watch_channel(1));
  made->close();
  return made;
}

}  // namespace

bool fd_watch::is_possible() noexcept { return network_of_caller() != nullptr || netpoller::of_caller() != nullptr; }

void fd_watch::prepare() {
  if (is_simulated(fd_)) {
    prepare_simulated();
    return;
  }
  if (refuse_in_simulation("a select on file descriptor " + std::to_string(fd_))) {
    throw std::system_error(ENOTSUP, std::generic_category(), "csp: a select on a file descriptor in a simulation");
  }
  errno = 0;
  netpoller* const poller = netpoller::of_caller();
  if (poller == nullptr) {
    if (errno == 0 || errno == ECANCELED) {
      throw std::logic_error("csp: to select on a file descriptor, a plain thread needs a csp::run at work");
    }
    throw std::system_error(errno, std::generic_category(), "csp: no poller");
  }
  descriptor* const entry = poller->at(fd_);
  if (entry == nullptr) {
    channel_ = always_ready();  // no number of a file
    return;
  }
  // First the channel, then the registration: who gives the number up from here on closes the channel.
  channel_ = entry->side(way_).watch();
  if (const std::error_code error = poller->watch(fd_, *entry, way_, true)) {
    if (error == std::errc::operation_not_permitted || error == std::errc::bad_file_descriptor) {
      channel_ = always_ready();
      return;
    }
    throw std::system_error(error, "csp: cannot watch a file descriptor");
  }
  std::optional<io_signal> old;
  static_cast<void>(channel_->try_receive(old));
  if (is_ready()) {
    readiness::notify(*channel_.get());
  }
}

void fd_watch::prepare_simulated() {
  network* const net = network_of_caller();
  descriptor* const entry = net != nullptr ? net->at(fd_) : nullptr;
  if (entry == nullptr) {
    channel_ = always_ready();
    return;
  }
  channel_ = entry->side(way_).watch();
  std::optional<io_signal> old;
  static_cast<void>(channel_->try_receive(old));
  if (is_ready()) {
    readiness::notify(*channel_.get());
  }
}

bool fd_watch::confirm() noexcept {
  if (channel_->is_closed()) {
    return true;  // given up, or never to be waited for
  }
  const bool ready = is_ready();
  if (ready) {
    readiness::notify(*channel_.get());
  }
  return ready;
}

bool fd_watch::is_ready() const noexcept {
  if (is_simulated(fd_)) {
    network* const net = network_of_caller();
    return net == nullptr || net->is_ready(fd_, way_);
  }
  const int error = errno;
  pollfd subject{fd_, static_cast<short>(way_ == io_direction::read ? POLLIN : POLLOUT), 0};
  const int count = real::poll(&subject, 1, 0);
  errno = error;
  return count != 0;  // an error is for the caller to find
}

}  // namespace csp::inline v0::detail
