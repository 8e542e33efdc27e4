// The echo server with csp::net: a task for each connection, one processor.
#include <libcsp/csp.h>
#include <libcsp/net.h>

#include <array>
#include <cstdio>
#include <utility>

#include "bench/net/listen.h"

namespace {

void echo(csp::net::stream& stream) {
  std::array<char, bench::net::read_size> buffer;
  for (;;) {
    const auto got = stream.read(buffer.data(), buffer.size());
    if (!got || *got == 0) return;
    if (stream.write_all(buffer.data(), *got)) return;
  }
}

int serve() {
  auto listener = csp::net::listener::bind("127.0.0.1", 0).value();
  std::printf("listening on 127.0.0.1:%u\n", static_cast<unsigned>(listener.local().port()));
  std::fflush(stdout);
  for (;;) {
    auto stream = listener.accept().value();
    csp::go([stream = std::move(stream)]() mutable { echo(stream); });
  }
}

}  // namespace

int main() {
  csp::options one;
  one.processors = 1;
  one.spares = 0;
  return csp::run(one, serve);
}
