// The seam to a simulated network: what the sockets of csp::net ask of it in the tasks of a simulation, in place of the
// kernel. netio/sim/ implements it. A program in the ordinary service has none: then each system call of csp::net pays
// one compare of the descriptor's number (netio/socket_calls.h).
//
// Its sockets have numbers that no kernel gives. They never come twice in a process (but after a billion), so that a
// socket which is left over from an earlier simulation is nobody's.
#pragma once

#include "netio/netpoller.h"

#include <sys/socket.h>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace csp::inline v0::detail {

/// Numbers from this on are simulated sockets. The kernel's table of descriptors, of 8 bytes each, has less than 2 GiB.
inline constexpr int first_simulated_fd = 1 << 30;
[[nodiscard]] constexpr bool is_simulated(int fd) noexcept { return fd >= first_simulated_fd; }

/// All by the one thread that drives the simulation. None of them waits. Outcomes (netio/outcome.h) are those of the
/// system calls of these names on a non-blocking socket.
class CSP_API network {
 public:
  network() = default;
  network(const network&) = delete;
  network& operator=(const network&) = delete;
  virtual ~network() = default;

  virtual int make_socket(int family, int type) = 0;
  virtual int make_pair(std::span<int, 2> ends) = 0;
  virtual int bind(int fd, const sockaddr* name, socklen_t length) = 0;
  virtual int listen(int fd, int backlog) = 0;
  virtual int accept(int fd) = 0;
  virtual int connect(int fd, const sockaddr* name, socklen_t length) = 0;
  virtual ssize_t receive(int fd, msghdr& into) = 0;
  virtual ssize_t send(int fd, const msghdr& from) = 0;
  virtual int shutdown(int fd, int how) = 0;
  /// getsockname, or getpeername.
  virtual int name_of(int fd, bool peer, sockaddr* name, socklen_t* length) = 0;
  virtual int set_option(int fd, int level, int name, int value) = 0;
  virtual int option(int fd, int level, int name) = 0;
  virtual int close(int fd) = 0;

  /// Where to wait for it; null: there is no such socket. Stays as long as the network.
  [[nodiscard]] virtual descriptor* at(int fd) noexcept = 0;
  /// poll(2): true also after an error, and for what is no socket.
  [[nodiscard]] virtual bool is_ready(int fd, io_direction way) noexcept = 0;

  /// The addresses that a name was given; null: none of this name.
  [[nodiscard]] virtual const std::vector<sockaddr_storage>* look_up(std::string_view name) const = 0;
};

/// The network of the simulation that the calling task belongs to; else null.
[[nodiscard]] CSP_API network* network_of_caller() noexcept;

/// In a simulation: fails it, for `what` needs the outside world; true, and errno is ENOTSUP. Elsewhere false.
CSP_API bool refuse_in_simulation(const std::string& what);

}  // namespace csp::inline v0::detail
