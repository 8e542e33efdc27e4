#include "netio/hook/call_blocking.h"

#include "netio/real.h"

#include <poll.h>

namespace csp::inline v0::detail::hook {

bool looks_ready(int fd, io_direction way) noexcept {
  pollfd subject{fd, static_cast<short>(way == io_direction::read ? POLLIN : POLLOUT), 0};
  return real::poll(&subject, 1, 0) != 0;
}

bool wait_for(io_operation& operation, int fd, io_direction way) noexcept {
  if (!in_own_process()) {
    // A child of vfork: its parent's thread waits for it anyway.
    pollfd subject{fd, static_cast<short>(way == io_direction::read ? POLLIN : POLLOUT), 0};
    return real::poll(&subject, 1, -1) >= 0;
  }
  return may_go_on(operation.wait());
}

bool may_go_on(io_wait outcome) noexcept {
  switch (outcome) {
    case io_wait::ready:
      return true;
    case io_wait::timeout:
      errno = EAGAIN;
      return false;
    case io_wait::closed:
      errno = EBADF;
      return false;
    case io_wait::canceled:
      errno = ECANCELED;
      return false;
    case io_wait::failed:
      return false;
  }
  return false;
}

}  // namespace csp::inline v0::detail::hook
