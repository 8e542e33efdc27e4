// echo_server: sends back whatever it gets, to any number of clients.
//
//   echo_server PORT     PORT 0: the system chooses
//
// Teaches: csp::net without anything else: a listener, a task for each connection, read and write_all as straight code;
// csp::signals; and the shortest way to end a server: when the function given to csp::run returns, all other tasks are
// cancelled, which closes the sockets that they own. http_server shows how to end without cutting anybody off.

#include <libcsp/csp.h>

#include <fmt/core.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <utility>

namespace {

namespace net = csp::net;

void echo(net::stream& stream) {
  char buffer[16 * 1024];
  for (;;) {
    const auto count = stream.read(buffer, sizeof buffer);
    if (!count || *count == 0 || stream.write_all(buffer, *count)) {
      return;  // the client has ended the connection, in one way or the other
    }
  }
}

// Each task owns what it works on, so it does not matter who ends first.
void serve(net::listener& listener) {
  while (auto stream = listener.accept()) {
    csp::go([stream = std::move(*stream)]() mutable { echo(stream); });
  }
}

int run(std::uint16_t port) {
  const csp::receiver<int> stop = csp::signals({SIGINT, SIGTERM});
  net::listener listener = net::listener::bind("127.0.0.1", port).value();
  fmt::print("listening on {}\n", listener.local().to_string());
  std::fflush(stdout);
  csp::go([listener = std::move(listener)]() mutable { serve(listener); });
  static_cast<void>(stop.recv());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 2) {
      throw std::runtime_error("usage: echo_server PORT");
    }
    const int port = std::stoi(argv[1]);
    return csp::run([=] { return run(static_cast<std::uint16_t>(port)); });
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
