#include <libcsp/net_socket.h>

#include "netio/outcome.h"
#include "netio/socket_calls.h"

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
  return ask_name(shared(), [](int fd, sockaddr* name, socklen_t* length) {
    return detail::sockets::getsockname(fd, name, length);
  });
}

address socket::peer_address() const {
  return ask_name(shared(), [](int fd, sockaddr* name, socklen_t* length) {
    return detail::sockets::getpeername(fd, name, length);
  });
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
  if (!fd_) {
    return std::make_error_code(std::errc::bad_file_descriptor);
  }
  return detail::error_in(
      fd_->with_number([&](int number) { return detail::sockets::set_option(number, level, name, value); }));
}

result<int> socket::option(int level, int name) const noexcept {
  if (!fd_) {
    return std::make_error_code(std::errc::bad_file_descriptor);
  }
  int value = 0;
  const int outcome =
      fd_->with_number([&](int number) { return detail::sockets::option(number, level, name, &value); });
  if (outcome < 0) {
    return detail::error_in(outcome);
  }
  return value;
}

}  // namespace csp::inline v0::net
