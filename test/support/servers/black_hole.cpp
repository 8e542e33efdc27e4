#include "test/support/servers/black_hole.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace csp_test {

black_hole::black_hole(black_hole_kind kind) : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const general = reinterpret_cast<sockaddr*>(&address);
  const int backlog = kind == black_hole_kind::silent ? 512 : 0;
  if (listener_ < 0 || ::bind(listener_, general, size) != 0 || ::listen(listener_, backlog) != 0 ||
      ::getsockname(listener_, general, &size) != 0) {
    const int error = errno;
    ::close(listener_);
    throw std::system_error(error, std::generic_category(), "black hole");
  }
  port_ = ntohs(address.sin_port);
  // A queue of length 0 takes one connection; a second one only asks, in case the kernel is more generous.
  for (int i = 0; kind == black_hole_kind::full && i < 2; ++i) {
    fillers_.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    ::connect(fillers_.back(), general, size);
  }
}

black_hole::~black_hole() {
  for (const int fd : fillers_) {
    ::close(fd);
  }
  ::close(listener_);
}

}  // namespace csp_test
