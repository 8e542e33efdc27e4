#include "test/support/plain_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>

namespace csp_test {
namespace {

constexpr timeval wait_limit{30, 0};

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

sockaddr_in loopback(int port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(static_cast<std::uint16_t>(port));
  result.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return result;
}

void set(int fd, int level, int name, const void* value, socklen_t size) {
  if (::setsockopt(fd, level, name, value, size) != 0) {
    fail("setsockopt");
  }
}

/// 0 at the end.
std::size_t receive_some(int fd, char* data, std::size_t size, int flags) {
  ssize_t count = 0;
  do {
    count = ::recv(fd, data, size, flags);
  } while (count < 0 && errno == EINTR);
  if (count < 0) {
    fail("recv");
  }
  return static_cast<std::size_t>(count);
}

void set_up(int fd) {
  constexpr int yes = 1;
  set(fd, SOL_SOCKET, SO_RCVTIMEO, &wait_limit, sizeof wait_limit);
  set(fd, SOL_SOCKET, SO_SNDTIMEO, &wait_limit, sizeof wait_limit);
  set(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

}  // namespace

plain_client::plain_client(int port, int receive_buffer) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  if (fd_ < 0) {
    fail("socket");
  }
  set_up(fd_);
  if (receive_buffer != 0) {
    set(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  const sockaddr_in peer = loopback(port);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&peer), sizeof peer) != 0) {
    const int error = errno;
    ::close(fd_);
    errno = error;
    fail("connect");
  }
}

plain_client::plain_client(accepted from) : fd_(from.fd) { set_up(fd_); }

plain_client::~plain_client() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

plain_client::plain_client(plain_client&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

bool plain_client::try_send(std::string_view text) const {
  while (!text.empty()) {
    const ssize_t count = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
    if (count < 0 && (errno == ECONNRESET || errno == EPIPE)) {
      return false;
    }
    if (count < 0 && errno != EINTR) {
      fail("send");
    }
    text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  }
  return true;
}

void plain_client::send(std::string_view text) const {
  if (!try_send(text)) {
    fail("send");
  }
}

void plain_client::finish() const { ::shutdown(fd_, SHUT_WR); }

void plain_client::reset() {
  constexpr linger at_once{1, 0};
  set(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ::close(std::exchange(fd_, -1));
}

std::string plain_client::receive(std::size_t size) const {
  std::string result(size, '\0');
  std::size_t have = 0;
  while (have < size) {
    const std::size_t count = receive_some(fd_, result.data() + have, size - have, 0);
    if (count == 0) {
      break;
    }
    have += count;
  }
  result.resize(have);
  return result;
}

std::string plain_client::receive_until(std::string_view end) const {
  std::string result;
  char buffer[4096];
  for (;;) {
    // First a look, then only what belongs to it is taken.
    const std::size_t count = receive_some(fd_, buffer, sizeof buffer, MSG_PEEK);
    const std::size_t before = result.size();
    result.append(buffer, count);
    const auto at = result.find(end, before - std::min(before, end.size() - 1));
    const bool found = at != std::string::npos;
    result.resize(found ? at + end.size() : result.size());
    static_cast<void>(receive_some(fd_, buffer, result.size() - before, 0));
    if (found || count == 0) {
      return result;
    }
  }
}

std::string plain_client::receive_all(bool* was_reset) const {
  std::string result;
  char buffer[16384];
  for (;;) {
    const ssize_t count = ::recv(fd_, buffer, sizeof buffer, 0);
    const bool reset = count < 0 && errno == ECONNRESET;
    if (was_reset != nullptr) {
      *was_reset = reset;
    }
    if (count == 0 || reset) {
      return result;
    }
    if (count < 0 && errno != EINTR) {
      fail("recv");
    }
    result.append(buffer, static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  }
}

bool plain_client::readable_within(std::chrono::milliseconds limit) const {
  pollfd subject{fd_, POLLIN, 0};
  return ::poll(&subject, 1, static_cast<int>(limit.count())) > 0;
}

plain_listener::plain_listener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (fd_ < 0 || ::bind(fd_, reinterpret_cast<const sockaddr*>(&address), size) != 0 || ::listen(fd_, SOMAXCONN) != 0 ||
      ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    fail("plain_listener");
  }
  set(fd_, SOL_SOCKET, SO_RCVTIMEO, &wait_limit, sizeof wait_limit);
  port_ = ntohs(address.sin_port);
}

plain_listener::~plain_listener() { ::close(fd_); }

plain_client plain_listener::accept() const {
  const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd < 0) {
    fail("accept");
  }
  return plain_client(plain_client::accepted{fd});
}

bool refuses_connections(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in peer = loopback(port);
  const bool refused =
      ::connect(fd, reinterpret_cast<const sockaddr*>(&peer), sizeof peer) != 0 && errno == ECONNREFUSED;
  ::close(fd);
  return refused;
}

}  // namespace csp_test
