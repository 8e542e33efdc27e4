// What the echo servers in plain POSIX calls share.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace bench::net {

// What an echo server reads at once. All of them take the same: more than the 16 messages of the largest row.
inline constexpr std::size_t read_size = 4096;

[[noreturn]] inline void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

// A listening socket on 127.0.0.1, on a port that the system picks; tells it on stdout as bench/net/server.py expects.
// Ends the program when there is none. `flags`: SOCK_NONBLOCK or 0.
inline int listen_on_loopback(int flags) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr generic{};
  static_assert(sizeof generic == sizeof address);
  std::memcpy(&generic, &address, sizeof address);
  if (fd < 0 || bind(fd, &generic, sizeof generic) != 0 || listen(fd, SOMAXCONN) != 0) die("listen");
  socklen_t size = sizeof generic;
  if (getsockname(fd, &generic, &size) != 0) die("getsockname");
  std::memcpy(&address, &generic, sizeof address);
  std::printf("listening on 127.0.0.1:%u\n", static_cast<unsigned>(ntohs(address.sin_port)));
  std::fflush(stdout);
  return fd;
}

// Answers are not held back for want of an acknowledgement.
inline void send_at_once(int fd) {
  const int yes = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

}  // namespace bench::net
