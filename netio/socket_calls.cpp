#include "netio/socket_calls.h"

#include "sched/park.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <cerrno>

namespace csp::inline v0::detail::sockets {
namespace {

/// Calls `use(network)`, in which `fd` is a socket, and answers as a system call.
template <class Use>
auto ask(int fd, Use use) -> std::invoke_result_t<Use&, network&> {
  network* const net = network_of_caller();
  std::invoke_result_t<Use&, network&> outcome = -EBADF;
  if (net != nullptr) {
    scheduling_point();
    outcome = net->at(fd) != nullptr ? use(*net) : -EBADF;
    if (outcome == -EAGAIN) {
      scheduling_point();
    }
  }
  if (outcome >= 0) {
    return outcome;
  }
  errno = static_cast<int>(-outcome);
  return -1;
}

/// The same for a call that gives new sockets.
[[nodiscard]] int answer(int outcome) noexcept {
  if (outcome >= 0) {
    return outcome;
  }
  errno = -outcome;
  return -1;
}

}  // namespace

ssize_t receive_simulated(int fd, msghdr& into) {
  return ask(fd, [&](network& net) { return net.receive(fd, into); });
}

ssize_t send_simulated(int fd, const msghdr& from) {
  return ask(fd, [&](network& net) { return net.send(fd, from); });
}

ssize_t transfer_simulated(int fd, io_direction way, void* data, std::size_t size, sockaddr* name, socklen_t length) {
  iovec piece{data, size};
  msghdr header{};
  header.msg_name = name;
  header.msg_namelen = length;
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  return way == io_direction::read ? receive_simulated(fd, header) : send_simulated(fd, header);
}

int accept_simulated(int fd) {
  return ask(fd, [=](network& net) { return net.accept(fd); });
}

int connect_simulated(int fd, const sockaddr* name, socklen_t length) {
  return ask(fd, [=](network& net) { return net.connect(fd, name, length); });
}

int close_simulated(int fd) {
  return ask(fd, [=](network& net) { return net.close(fd); });
}

int make(int family, int type) {
  if (network* const net = network_of_caller()) {
    return answer(net->make_socket(family, type));
  }
  return real::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

int make_pair(std::span<int, 2> ends) {
  if (network* const net = network_of_caller()) {
    return answer(net->make_pair(ends));
  }
  return real::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data());
}

int bind(int fd, const sockaddr* name, socklen_t length) {
  return is_simulated(fd) ? ask(fd, [=](network& net) { return net.bind(fd, name, length); })
                          : ::bind(fd, name, length);
}

int listen(int fd, int backlog) {
  return is_simulated(fd) ? ask(fd, [=](network& net) { return net.listen(fd, backlog); }) : ::listen(fd, backlog);
}

int shutdown(int fd, int how) {
  return is_simulated(fd) ? ask(fd, [=](network& net) { return net.shutdown(fd, how); }) : real::shutdown(fd, how);
}

int getsockname(int fd, sockaddr* name, socklen_t* length) {
  return is_simulated(fd) ? ask(fd, [=](network& net) { return net.name_of(fd, false, name, length); })
                          : ::getsockname(fd, name, length);
}

int getpeername(int fd, sockaddr* name, socklen_t* length) {
  return is_simulated(fd) ? ask(fd, [=](network& net) { return net.name_of(fd, true, name, length); })
                          : ::getpeername(fd, name, length);
}

int set_option(int fd, int level, int name, int value) {
  return is_simulated(fd) ? ask(fd, [=](network& net) { return net.set_option(fd, level, name, value); })
                          : real::setsockopt(fd, level, name, &value, sizeof value);
}

int option(int fd, int level, int name, int* value) {
  if (is_simulated(fd)) {
    const int outcome = ask(fd, [=](network& net) { return net.option(fd, level, name); });
    *value = outcome;
    return outcome < 0 ? -1 : 0;
  }
  socklen_t length = sizeof *value;
  return real::getsockopt(fd, level, name, value, &length);
}

int make_nonblocking(int fd) {
  if (is_simulated(fd)) {
    return 0;  // it is
  }
  const int flags = ::fcntl(fd, F_GETFL);
  return flags < 0 ? -1 : ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

}  // namespace csp::inline v0::detail::sockets
