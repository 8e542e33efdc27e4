#include <libcsp/net_stream.h>

#include "netio/outcome.h"
#include "netio/socket_calls.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <algorithm>
#include <array>

namespace csp::inline v0::net {
namespace {

using detail::io_direction;

/// Pieces that one system call takes (IOV_MAX).
constexpr std::size_t most_pieces = 1024;

[[nodiscard]] std::error_code last_error() noexcept { return detail::error_in(-detail::last_errno()); }

/// `call(fd)` is the system call.
[[nodiscard]] result<std::size_t> transfer(detail::shared_fd* fd, io_direction way, std::size_t size, auto call) {
  if (fd == nullptr) {
    return std::make_error_code(std::errc::bad_file_descriptor);
  }
  if (size == 0) {
    return std::size_t{0};
  }
  const ssize_t outcome = fd->retry(way, size, [&call](int number) { return detail::outcome_of(call(number)); });
  if (outcome < 0) {
    return detail::error_in(outcome);
  }
  return static_cast<std::size_t>(outcome);
}

/// A message header for pieces, and their size together.
[[nodiscard]] msghdr header_of(std::span<const iovec> pieces, std::size_t& size) noexcept {
  pieces = pieces.first(std::min(pieces.size(), most_pieces));
  size = 0;
  for (const iovec& piece : pieces) size += piece.iov_len;
  msghdr header{};
  header.msg_iov = const_cast<iovec*>(pieces.data());
  header.msg_iovlen = pieces.size();
  return header;
}

}  // namespace

result<stream> stream::adopt(int fd) {
  int type = 0;
  if (detail::sockets::option(fd, SOL_SOCKET, SO_TYPE, &type) != 0) {
    return last_error();
  }
  if (type != SOCK_STREAM) {
    return std::make_error_code(std::errc::wrong_protocol_type);
  }
  if (detail::sockets::make_nonblocking(fd) != 0) {
    return last_error();
  }
  return stream(detail::shared_fd::adopt(fd));
}

result<std::size_t> stream::read(void* data, std::size_t size) {
  return transfer(shared(), io_direction::read, size, [=](int fd) { return detail::sockets::recv(fd, data, size); });
}

result<std::size_t> stream::readv(std::span<const iovec> pieces) {
  std::size_t size = 0;
  msghdr header = header_of(pieces, size);
  return transfer(shared(), io_direction::read, size,
                  [&header](int fd) { return detail::sockets::recvmsg(fd, &header); });
}

std::error_code stream::read_exactly(void* data, std::size_t size, std::size_t* transferred) {
  std::size_t own = 0;
  std::size_t& done = transferred != nullptr ? *transferred : own;
  for (done = 0; done < size;) {
    const auto count = read(static_cast<std::byte*>(data) + done, size - done);
    if (!count) {
      return count.error();
    }
    if (*count == 0) {
      return errc::end_of_stream;
    }
    done += *count;
  }
  return {};
}

result<std::size_t> stream::write(const void* data, std::size_t size) {
  return transfer(shared(), io_direction::write, size, [=](int fd) { return detail::sockets::send(fd, data, size); });
}

result<std::size_t> stream::writev(std::span<const iovec> pieces) {
  std::size_t size = 0;
  const msghdr header = header_of(pieces, size);
  return transfer(shared(), io_direction::write, size,
                  [&header](int fd) { return detail::sockets::sendmsg(fd, &header); });
}

std::error_code stream::write_all(const void* data, std::size_t size, std::size_t* transferred) {
  std::size_t own = 0;
  std::size_t& done = transferred != nullptr ? *transferred : own;
  for (done = 0; done < size;) {
    const auto count = write(static_cast<const std::byte*>(data) + done, size - done);
    if (!count) {
      return count.error();
    }
    done += *count;
  }
  return {};
}

std::error_code stream::shutdown(direction way) noexcept {
  const int how = way == direction::read ? SHUT_RD : way == direction::write ? SHUT_WR : SHUT_RDWR;
  detail::shared_fd* const fd = shared();
  if (fd == nullptr) {
    return std::make_error_code(std::errc::bad_file_descriptor);
  }
  return detail::error_in(fd->with_number([how](int number) { return detail::sockets::shutdown(number, how); }));
}

std::error_code stream::set_no_delay(bool on) noexcept { return set_option(IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0); }

std::error_code stream::set_keep_alive(bool on) noexcept { return set_option(SOL_SOCKET, SO_KEEPALIVE, on ? 1 : 0); }

result<std::pair<stream, stream>> pair() {
  std::array<int, 2> ends{};
  if (detail::sockets::make_pair(ends) != 0) {
    return last_error();
  }
  try {
    stream first(detail::shared_fd::adopt(ends[0]));
    ends[0] = -1;
    return std::pair(std::move(first), stream(detail::shared_fd::adopt(ends[1])));
  } catch (...) {
    // What adopt() refused is closed; the second end may not have come to it.
    if (ends[0] >= 0) detail::sockets::close(ends[1]);
    throw;
  }
}

}  // namespace csp::inline v0::net
