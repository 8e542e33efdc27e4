// The limit of the echo rows: what a plain loop over a level-triggered epoll does on one thread, without tasks.
//
// One read and one write for a readable connection, nothing else in the steady state. What a write does not take waits
// in the connection, which is then asked for writability alone until it has gone.
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include "bench/net/listen.h"

namespace {

using bench::net::die;

struct connection {
  int fd;
  std::string unsent;
};

void watch(int epoll, int operation, connection& c, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &c;
  if (epoll_ctl(epoll, operation, c.fd, &event) != 0) die("epoll_ctl");
}

void accept_one(int epoll, int listener) {
  const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)) return;
  if (fd < 0) die("accept4");
  bench::net::send_at_once(fd);
  watch(epoll, EPOLL_CTL_ADD, *new connection{fd, {}}, EPOLLIN);
}

// Writes what it can of `bytes`, which may be c.unsent, and keeps the rest. False when the connection is broken.
bool write_some(int epoll, connection& c, std::string_view bytes) {
  const bool waited = !c.unsent.empty();
  const ssize_t wrote = send(c.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (!waited && wrote == static_cast<ssize_t>(bytes.size())) return true;
  if (wrote < 0 && errno != EAGAIN) return false;
  std::string rest(bytes.substr(wrote < 0 ? 0 : static_cast<std::size_t>(wrote)));
  if (rest.empty() == waited) watch(epoll, EPOLL_CTL_MOD, c, waited ? EPOLLIN : EPOLLOUT);
  c.unsent = std::move(rest);
  return true;
}

// What a ready connection asks for. False when it has ended.
bool serve(int epoll, connection& c) {
  if (!c.unsent.empty()) return write_some(epoll, c, c.unsent);
  std::array<char, bench::net::read_size> buffer;
  const ssize_t got = recv(c.fd, buffer.data(), buffer.size(), 0);
  if (got < 0) return errno == EAGAIN;
  return got > 0 && write_some(epoll, c, {buffer.data(), static_cast<std::size_t>(got)});
}

}  // namespace

int main() {
  const int listener = bench::net::listen_on_loopback(SOCK_NONBLOCK);
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) die("epoll_create1");
  epoll_event event{};
  event.events = EPOLLIN;  // its pointer stays null: that is how the listener is told from a connection
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0) die("epoll_ctl");
  std::array<epoll_event, 1024> events{};  // all connections of the largest row in one call
  for (;;) {
    const int count = epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < count; ++i) {
      auto* const c = static_cast<connection*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (c == nullptr) {
        accept_one(epoll, listener);
      } else if (!serve(epoll, *c)) {
        close(c->fd);
        delete c;
      }
    }
  }
}
