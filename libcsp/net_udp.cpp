#include <libcsp/net_udp.h>

#include "netio/outcome.h"
#include "netio/socket_calls.h"

#include <sys/socket.h>
#include <sys/uio.h>

namespace csp::inline v0::net {
namespace {

using detail::io_direction;

[[nodiscard]] std::error_code last_error() noexcept { return detail::error_in(-detail::last_errno()); }

/// A datagram socket at, or to, an address.
template <class Use>
[[nodiscard]] std::error_code open(const address& name, detail::shared_fd_owner& made, Use use) {
  const int fd = detail::sockets::make(name.family(), SOCK_DGRAM);
  if (fd < 0) {
    return last_error();
  }
  made = detail::shared_fd::adopt(fd);
  return use(fd, name.native(), name.native_length()) == 0 ? std::error_code() : last_error();
}

/// Any datagram operation, `call(fd)`; none of them ever comes out short for lack of data.
[[nodiscard]] result<std::size_t> transfer(detail::shared_fd* fd, io_direction way, auto call) {
  if (fd == nullptr) {
    return std::make_error_code(std::errc::bad_file_descriptor);
  }
  const ssize_t outcome = fd->retry(way, 0, [&call](int number) { return detail::outcome_of(call(number)); });
  if (outcome < 0) {
    return detail::error_in(outcome);
  }
  return static_cast<std::size_t>(outcome);
}

}  // namespace

result<udp> udp::bind(const address& where) {
  detail::shared_fd_owner fd;
  const auto error = open(where, fd, [](int number, const sockaddr* name, socklen_t length) {
    return detail::sockets::bind(number, name, length);
  });
  if (error) {
    return error;
  }
  return udp(std::move(fd));
}

result<udp> udp::bind(std::string_view host, std::uint16_t port) {
  if (host.empty()) {
    return bind(address::parse("0.0.0.0", port).value());
  }
  const auto addresses = resolve(host, port);
  return addresses ? bind(addresses->front()) : result<udp>(addresses.error());
}

result<udp> udp::connect(const address& peer) {
  detail::shared_fd_owner fd;
  // Connecting a datagram socket notes the peer and does not wait.
  const auto error = open(peer, fd, [](int number, const sockaddr* name, socklen_t length) {
    return detail::sockets::connect(number, name, length);
  });
  if (error) {
    return error;
  }
  return udp(std::move(fd));
}

result<udp> udp::connect(std::string_view host, std::uint16_t port) {
  const auto addresses = resolve(host, port);
  if (!addresses) {
    return addresses.error();
  }
  std::error_code error;
  for (const address& each : *addresses) {
    auto made = connect(each);
    if (made) {
      return made;
    }
    error = made.error();
  }
  return error;
}

result<std::size_t> udp::send_to(const void* data, std::size_t size, const address& peer) {
  return transfer(shared(), io_direction::write, [&, data, size](int fd) {
    return detail::sockets::sendto(fd, data, size, peer.native(), peer.native_length());
  });
}

result<datagram> udp::receive_from(void* data, std::size_t size) {
  sockaddr_storage from{};
  iovec piece{data, size};
  msghdr header{};
  const auto count = transfer(shared(), io_direction::read, [&](int fd) {
    header = {};
    header.msg_name = &from;
    header.msg_namelen = sizeof from;
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    return detail::sockets::recvmsg(fd, &header);
  });
  if (!count) {
    return count.error();
  }
  const auto sender = address::from_native(reinterpret_cast<const sockaddr*>(&from), header.msg_namelen);
  return datagram{*count, sender ? *sender : address(), (header.msg_flags & MSG_TRUNC) != 0};
}

result<std::size_t> udp::send(const void* data, std::size_t size) {
  return transfer(shared(), io_direction::write, [=](int fd) { return detail::sockets::send(fd, data, size); });
}

result<std::size_t> udp::receive(void* data, std::size_t size) {
  return transfer(shared(), io_direction::read, [=](int fd) { return detail::sockets::recv(fd, data, size); });
}

}  // namespace csp::inline v0::net
