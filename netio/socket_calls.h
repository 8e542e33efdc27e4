// The system calls of csp::net's sockets: of the C library, or in a simulation of its network (netio/network.h). They
// answer as the system calls do, errno included. For a real socket each costs one compare beside the call.
//
// In a simulation each is a point at which other tasks may come first, and once more when it says EAGAIN: between a try
// and the wait that follows it.
#pragma once

#include "netio/network.h"
#include "netio/prompt_calls.h"
#include "netio/real.h"

namespace csp::inline v0::detail::sockets {

// What a simulated socket's calls go through. Any task; EBADF when its simulation is not the caller's.
CSP_API ssize_t receive_simulated(int fd, msghdr& into);
CSP_API ssize_t send_simulated(int fd, const msghdr& from);
CSP_API ssize_t transfer_simulated(int fd, io_direction way, void* data, std::size_t size, sockaddr* name,
                                   socklen_t length);
CSP_API int accept_simulated(int fd);
CSP_API int connect_simulated(int fd, const sockaddr* name, socklen_t length);
CSP_API int close_simulated(int fd);

// A new socket, non-blocking and closed on exec; in a simulation a simulated one.
[[nodiscard]] CSP_API int make(int family, int type);
[[nodiscard]] CSP_API int make_pair(std::span<int, 2> ends);

// Not hot.
CSP_API int bind(int fd, const sockaddr* name, socklen_t length);
CSP_API int listen(int fd, int backlog);
CSP_API int shutdown(int fd, int how);
CSP_API int getsockname(int fd, sockaddr* name, socklen_t* length);
CSP_API int getpeername(int fd, sockaddr* name, socklen_t* length);
CSP_API int set_option(int fd, int level, int name, int value);
CSP_API int option(int fd, int level, int name, int* value);
/// O_NONBLOCK, set.
CSP_API int make_nonblocking(int fd);

inline ssize_t recv(int fd, void* data, std::size_t size) {
  if (is_simulated(fd)) [[unlikely]] {
    return transfer_simulated(fd, io_direction::read, data, size, nullptr, 0);
  }
  return prompt::recv(fd, data, size, 0);
}

inline ssize_t recvmsg(int fd, msghdr* into) {
  if (is_simulated(fd)) [[unlikely]] {
    return receive_simulated(fd, *into);
  }
  return prompt::recvmsg(fd, into, 0);
}

/// Never raises SIGPIPE, as the next two.
inline ssize_t send(int fd, const void* data, std::size_t size) {
  if (is_simulated(fd)) [[unlikely]] {
    return transfer_simulated(fd, io_direction::write, const_cast<void*>(data), size, nullptr, 0);
  }
  return prompt::send(fd, data, size, MSG_NOSIGNAL);
}

inline ssize_t sendto(int fd, const void* data, std::size_t size, const sockaddr* name, socklen_t length) {
  if (is_simulated(fd)) [[unlikely]] {
    return transfer_simulated(fd, io_direction::write, const_cast<void*>(data), size, const_cast<sockaddr*>(name),
                              length);
  }
  return prompt::sendto(fd, data, size, MSG_NOSIGNAL, name, length);
}

inline ssize_t sendmsg(int fd, const msghdr* from) {
  if (is_simulated(fd)) [[unlikely]] {
    return send_simulated(fd, *from);
  }
  return prompt::sendmsg(fd, from, MSG_NOSIGNAL);
}

/// What it gives is non-blocking and closed on exec.
inline int accept(int fd) {
  if (is_simulated(fd)) [[unlikely]] {
    return accept_simulated(fd);
  }
  return real::accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

inline int connect(int fd, const sockaddr* name, socklen_t length) {
  if (is_simulated(fd)) [[unlikely]] {
    return connect_simulated(fd, name, length);
  }
  return real::connect(fd, name, length);
}

inline int close(int fd) {
  if (is_simulated(fd)) [[unlikely]] {
    return close_simulated(fd);
  }
  return real::close(fd);
}

}  // namespace csp::inline v0::detail::sockets
