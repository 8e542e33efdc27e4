#include <libcsp/net_socket.h>

#include "netio/real.h"

#include <cerrno>

namespace csp::inline v0::net {
namespace {

using name_function = int (*)(int, sockaddr*, socklen_t*);

/// getsockname(2) or getpeername(2).
[[nodiscard]] address ask_name(detail::shared_fd* fd, name_function ask) {
  sockaddr_storage native{};
  socklen_t length = sizeof native;
  if (fd == nullptr ||
      fd->with_number([&](int number) { return ask(number, reinterpret_cast<sockaddr*>(&native), &length); }) != 0) {
    return {};
  }
  const auto made = address::from_native(reinterpret_cast<const sockaddr*>(&native), length);
  return made ? *made : address();
}

}  // namespace

address socket::local() const {
  return ask_name(shared(), [](int fd, sockaddr* name, socklen_t* length) { return ::getsockname(fd, name, length); });
}

address socket::peer_address() const {
  return ask_name(shared(), [](int fd, sockaddr* name, socklen_t* length) { return ::getpeername(fd, name, length); });
}

void socket::set(direction way, detail::nanos when) noexcept {
  if (!fd_) {
    return;
  }
  if (way != direction::write) {
    fd_->set_deadline(detail::io_direction::read, when);
  }
  if (way != direction::read) {
    fd_->set_deadline(detail::io_direction::write, when);
  }
}

std::error_code socket::set_option(int level, int name, int value) noexcept {
  errno = EBADF;
  const int done = fd_ ? fd_->with_number([&](int number) {
    return detail::real::setsockopt(number, level, name, &value, sizeof value);
  })
                       : -1;
  return done == 0 ? std::error_code() : std::error_code(errno, std::generic_category());
}

result<int> socket::option(int level, int name) const noexcept {
  int value = 0;
  socklen_t length = sizeof value;
  errno = EBADF;
  const int done =
      fd_ ? fd_->with_number([&](int number) { return detail::real::getsockopt(number, level, name, &value, &length); })
          : -1;
  if (done != 0) {
    return std::error_code(errno, std::generic_category());
  }
  return value;
}

}  // namespace csp::inline v0::net
