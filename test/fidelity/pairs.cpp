// Connected pairs of each kind.
#include "test/fidelity/fds.h"

#include <array>
#include <cstdlib>

#include <fcntl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

namespace fidelity {

namespace {

fd_pair fifo_pair() {
  const temporary_folder folder;
  const std::string path = folder.file("fifo");
  must(::mkfifo(path.c_str(), 0600), "mkfifo");
  // Opened for both directions first: neither of the ends then waits for the other.
  const owned_fd both(must(::open(path.c_str(), O_RDWR | O_CLOEXEC), "open"));
  owned_fd reads(must(::open(path.c_str(), O_RDONLY), "open"));
  owned_fd writes(must(::open(path.c_str(), O_WRONLY), "open"));
  return {std::move(reads), std::move(writes)};
}

/// The near end is the terminal, in raw mode; the far end its master.
fd_pair tty_pair() {
  owned_fd master(must(::posix_openpt(O_RDWR | O_NOCTTY), "posix_openpt"));
  must(::grantpt(master), "grantpt");
  must(::unlockpt(master), "unlockpt");
  std::array<char, 64> name{};
  must(::ptsname_r(master, name.data(), name.size()), "ptsname_r");
  owned_fd terminal(must(::open(name.data(), O_RDWR | O_NOCTTY), "open"));
  termios mode{};
  must(::tcgetattr(terminal, &mode), "tcgetattr");
  ::cfmakeraw(&mode);
  must(::tcsetattr(terminal, TCSANOW, &mode), "tcsetattr");
  return {std::move(terminal), std::move(master)};
}

fd_pair pipe_pair() {
  int ends[2];
  must(::pipe(ends), "pipe");
  return {owned_fd(ends[0]), owned_fd(ends[1])};
}

fd_pair udp_pair(int family) {
  fd_pair made{udp_socket(family), udp_socket(family)};
  const address near = name_of_socket(made.near);
  const address far = name_of_socket(made.far);
  must(::connect(made.near, far.get(), far.size), "connect");
  must(::connect(made.far, near.get(), near.size), "connect");
  return made;
}

void set_buffer(int fd, int option, int bytes) {
  must(::setsockopt(fd, SOL_SOCKET, option, &bytes, sizeof bytes), "a socket's buffer");
}

}  // namespace

const char* name_of(kind of_pair) {
  static constexpr const char* names[] = {"tcp4", "tcp6", "unix", "seqpacket", "unix-dgram",
                                          "udp4", "udp6", "pipe", "fifo",      "tty"};
  return names[static_cast<std::size_t>(of_pair)];
}

bool is_socket(kind of_pair) { return of_pair != kind::pipe && of_pair != kind::fifo && of_pair != kind::tty; }

bool is_message(kind of_pair) {
  return of_pair == kind::unix_seqpacket || of_pair == kind::unix_dgram || of_pair == kind::udp4 ||
         of_pair == kind::udp6;
}

bool has_end(kind of_pair) { return of_pair != kind::unix_dgram && of_pair != kind::udp4 && of_pair != kind::udp6; }

fd_pair socket_pair(int type, int family) {
  int ends[2];
  must(::socketpair(family, type, 0, ends), "socketpair");
  return {owned_fd(ends[0]), owned_fd(ends[1])};
}

fd_pair tcp_pair(int family) {
  const owned_fd listener = tcp_listener(family);
  const address name = name_of_socket(listener);
  owned_fd far(must(::socket(family, SOCK_STREAM, 0), "socket"));
  must(::connect(far, name.get(), name.size), "connect");
  owned_fd near(must(::accept(listener, nullptr, nullptr), "accept"));
  return {std::move(near), std::move(far)};
}

fd_pair reading_pair(kind of_pair) {
  switch (of_pair) {
    case kind::tcp4:
      return tcp_pair(AF_INET);
    case kind::tcp6:
      return tcp_pair(AF_INET6);
    case kind::unix_stream:
      return socket_pair(SOCK_STREAM);
    case kind::unix_seqpacket:
      return socket_pair(SOCK_SEQPACKET);
    case kind::unix_dgram:
      return socket_pair(SOCK_DGRAM);
    case kind::udp4:
      return udp_pair(AF_INET);
    case kind::udp6:
      return udp_pair(AF_INET6);
    case kind::pipe:
      return pipe_pair();
    case kind::fifo:
      return fifo_pair();
    case kind::tty:
      return tty_pair();
  }
  return {};
}

fd_pair writing_pair(kind of_pair) {
  fd_pair made = reading_pair(of_pair);
  if (of_pair == kind::pipe || of_pair == kind::fifo) {
    std::swap(made.near, made.far);
  }
  return made;
}

fd_pair tight_pair(kind of_pair) {
  fd_pair made = writing_pair(of_pair);
  if (is_socket(of_pair)) {
    // Far below what the large probes send, and above a message of any of them.
    constexpr int small = 64 * 1024;
    set_buffer(made.near, SO_SNDBUF, small);
    set_buffer(made.far, SO_RCVBUF, small);
  }
  return made;
}

}  // namespace fidelity
