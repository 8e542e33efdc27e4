// The echo server in blocking POSIX calls, as it would be written for threads; csp::hook makes them wait in tasks.
#include <libcsp/csp.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "bench/net/listen.h"

namespace {

bool write_all(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t wrote = write(fd, data, size);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return false;
    data += wrote;
    size -= static_cast<std::size_t>(wrote);
  }
  return true;
}

void echo(int fd) {
  std::array<char, bench::net::read_size> buffer;
  for (;;) {
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || !write_all(fd, buffer.data(), static_cast<std::size_t>(got))) break;
  }
  close(fd);
}

int serve() {
  const int listener = bench::net::listen_on_loopback(0);
  for (;;) {
    const int fd = accept(listener, nullptr, nullptr);
    if (fd < 0 && (errno == ECONNABORTED || errno == EINTR)) continue;
    if (fd < 0) bench::net::die("accept");
    bench::net::send_at_once(fd);
    csp::go([fd] { echo(fd); });
  }
}

}  // namespace

int main() {
  csp::options one;
  one.processors = 1;
  one.spares = 0;
  return csp::run(one, serve);
}
