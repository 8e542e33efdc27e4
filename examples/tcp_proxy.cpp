// tcp_proxy: passes connections on to another server, byte for byte.
//
//   tcp_proxy PORT HOST TARGET_PORT     PORT 0: the system chooses
//
// Teaches: two tasks for one connection, one for each direction, since a stream may be read and written at once;
// half-close: the end of one direction is handed on, the other lives; and failure: when one direction breaks, close()
// wakes the task of the other. A connection that was reset is reset on the other side too: an orderly end there would
// say that all data had come.

#include <libcsp/csp.h>

#include <fmt/core.h>
#include <sys/socket.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace {

namespace net = csp::net;
using namespace std::chrono_literals;

// How long the target may take to accept a connection.
constexpr auto connect_limit = 10s;

// Large enough that the system calls are nothing beside the copying.
constexpr std::size_t buffer_size = 64 * 1024;

// Both tasks hold it, so it goes with the last of them.
struct session {
  net::stream client;
  net::stream target;
};

// Ends a connection so that the peer sees an error (SO_LINGER in socket(7)).
void reset(net::stream& stream) {
  constexpr linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(stream.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  stream.close();
}

// Copies up to the end of `from`, and hands the end on.
std::error_code copy(net::stream& from, net::stream& to) {
  std::vector<char> buffer(buffer_size);
  for (;;) {
    const auto count = from.read(buffer.data(), buffer.size());
    if (!count) {
      return count.error();
    }
    if (*count == 0) {
      return to.shutdown(net::direction::write);
    }
    if (const std::error_code error = to.write_all(buffer.data(), *count)) {
      return error;
    }
  }
}

void copy_or_reset(session& both, net::stream& from, net::stream& to) {
  if (copy(from, to)) {
    reset(both.client);
    reset(both.target);  // the task of the other direction wakes up with an error
  }
}

void serve_client(net::stream client, const std::string& host, std::uint16_t port) {
  auto target = net::connect(host, port, {.deadline = csp::clock::now() + connect_limit});
  if (!target) {
    reset(client);
    return;
  }
  const auto both = std::make_shared<session>(session{std::move(client), std::move(*target)});
  csp::go([both] { copy_or_reset(*both, both->client, both->target); });
  copy_or_reset(*both, both->target, both->client);
}

int run(std::uint16_t port, const std::string& host, std::uint16_t target_port) {
  const csp::receiver<int> stop = csp::signals({SIGINT, SIGTERM});
  net::listener listener = net::listener::bind("127.0.0.1", port).value();
  fmt::print("listening on {}\n", listener.local().to_string());
  std::fflush(stdout);
  csp::go([listener = std::move(listener), host, target_port]() mutable {
    while (auto client = listener.accept()) {
      csp::go([client = std::move(*client), host, target_port]() mutable {
        serve_client(std::move(client), host, target_port);
      });
    }
  });
  static_cast<void>(stop.recv());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 4) {
      throw std::runtime_error("usage: tcp_proxy PORT HOST TARGET_PORT");
    }
    const int port = std::stoi(argv[1]);
    const int target = std::stoi(argv[3]);
    return csp::run([&] { return run(static_cast<std::uint16_t>(port), argv[2], static_cast<std::uint16_t>(target)); });
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
