#include <libcsp/net_listener.h>

#include "netio/outcome.h"
#include "netio/socket_calls.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <utility>

namespace csp::inline v0::net {
namespace {

using detail::io_direction;
using detail::nanos;

[[nodiscard]] std::error_code last_error() noexcept { return detail::error_in(-detail::last_errno()); }

void set(int fd, int level, int name, int value) noexcept {
  static_cast<void>(detail::sockets::set_option(fd, level, name, value));
}

void set_options(int fd, int family, const listen_options& options) noexcept {
  if (family == AF_UNIX) {
    return;
  }
  if (options.reuse_address) set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (options.reuse_port) set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (family == AF_INET6) set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);  // "::" takes IPv4's connections too
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);                           // what it accepts inherits this
}

/// Removes a unix path that nobody listens to; false when somebody does, or it is no socket.
[[nodiscard]] bool remove_stale(const address& where) noexcept {
  const std::string path = where.path();
  struct stat found {};
  if (path.empty() || ::lstat(path.c_str(), &found) != 0 || !S_ISSOCK(found.st_mode)) {
    return false;
  }
  const int probe = detail::real::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (probe < 0) {
    return false;
  }
  const int outcome = detail::outcome_of(detail::real::connect(probe, where.native(), where.native_length()));
  detail::real::close(probe);
  return outcome == -ECONNREFUSED && ::unlink(path.c_str()) == 0;
}

[[nodiscard]] int bind_to(int fd, const address& where, const listen_options& options) noexcept {
  const auto bind = [&] {
    return detail::outcome_of(detail::sockets::bind(fd, where.native(), where.native_length()));
  };
  const int outcome = bind();
  // A simulated socket's path is no file.
  const bool in_the_way =
      outcome == -EADDRINUSE && where.family() == AF_UNIX && options.replace_stale && !detail::is_simulated(fd);
  return in_the_way && remove_stale(where) ? bind() : outcome;
}

/// The process or the system is short of something; it passes.
[[nodiscard]] bool is_shortage(int error) noexcept {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/// The connection that was next has failed already, or a firewall forbids it (accept(2), "Error handling").
[[nodiscard]] bool is_of_the_connection(int error) noexcept {
  switch (error) {
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ETIMEDOUT:
      return true;
    default:
      return false;
  }
}

}  // namespace

result<listener> listener::bind(const address& where, const listen_options& options) {
  const int fd = detail::sockets::make(where.family(), SOCK_STREAM);
  if (fd < 0) {
    return last_error();
  }
  listener made(detail::shared_fd::adopt(fd));
  set_options(fd, where.family(), options);
  if (const int outcome = bind_to(fd, where, options); outcome < 0) {
    return detail::error_in(outcome);
  }
  if (options.unlink_on_close && !detail::is_simulated(fd)) {
    made.remember_path(where);
  }
  if (detail::sockets::listen(fd, options.backlog) != 0) {
    return last_error();
  }
  return made;
}

result<listener> listener::bind(std::string_view host, std::uint16_t port, const listen_options& options) {
  if (host.empty()) {
    return bind_any(port, options);
  }
  const auto addresses = resolve(host, port);
  if (!addresses) {
    return addresses.error();
  }
  std::error_code error;
  for (const address& each : *addresses) {
    auto made = bind(each, options);
    if (made) {
      return made;
    }
    error = made.error();
  }
  return error;
}

result<listener> listener::bind_any(std::uint16_t port, const listen_options& options) {
  auto both = bind(address::parse("::", port).value(), options);
  const bool no_ipv6 = !both && (both.error() == std::errc::address_family_not_supported ||
                                 both.error() == std::errc::address_not_available);
  return no_ipv6 ? bind(address::parse("0.0.0.0", port).value(), options) : std::move(both);
}

void listener::remember_path(const address& where) noexcept {
  struct stat found {};
  std::string path = where.path();
  if (!path.empty() && ::lstat(path.c_str(), &found) == 0) {
    path_ = std::move(path);
    device_ = found.st_dev;
    inode_ = found.st_ino;
  }
}

listener& listener::operator=(listener&& other) noexcept {
  if (this != &other) {
    close();
    path_ = std::move(other.path_);
    device_ = other.device_;
    inode_ = other.inode_;
    socket::operator=(std::move(other));
  }
  return *this;
}

void listener::close() noexcept {
  detail::shared_fd* const fd = shared();
  if (fd == nullptr || !fd->close() || path_.empty()) {
    return;
  }
  struct stat found {};
  if (::lstat(path_.c_str(), &found) == 0 && found.st_dev == device_ && found.st_ino == inode_) {
    ::unlink(path_.c_str());
  }
}

result<stream> listener::accept() {
  constexpr nanos shortest_pause = 1'000'000;
  constexpr nanos longest_pause = 100'000'000;
  constexpr ssize_t passed_over = -1'000'000;  // no error has this number
  detail::shared_fd* const fd = shared();
  if (fd == nullptr) {
    return std::make_error_code(std::errc::bad_file_descriptor);
  }
  for (nanos pause = shortest_pause;;) {
    const ssize_t outcome = fd->retry(io_direction::read, 0, [](int number) -> ssize_t {
      const int taken = detail::outcome_of(detail::sockets::accept(number));
      return is_of_the_connection(-taken) ? passed_over : taken;
    });
    if (outcome >= 0) {
      return stream(detail::shared_fd::adopt(static_cast<int>(outcome)));
    }
    if (outcome == passed_over) {
      continue;
    }
    if (!is_shortage(static_cast<int>(-outcome))) {
      return detail::error_in(outcome);
    }
    const nanos when = detail::add_saturating(detail::current_time(), pause);
    if (const int error = fd->pause(io_direction::read, when)) {
      return detail::error_in(error);
    }
    pause = std::min(2 * pause, longest_pause);
  }
}

}  // namespace csp::inline v0::net
