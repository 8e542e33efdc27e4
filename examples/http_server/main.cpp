// http_server: a small HTTP/1.1 server, with a chat room by server-sent events.
//
//   http_server PORT [FOLDER]     PORT 0: the system chooses. Without a folder, / is a short text.
//   http://127.0.0.1:PORT/chat    the chat; POST /chat says something, GET /chat/events listens
//
// Teaches: a task for each connection, in straight code (connection.cpp); csp::net with deadlines; csp::blocking for
// files (files.cpp); a task that owns its state and is talked to by channels (chat.cpp); csp::select over channels and
// a socket (connection::send_events); csp::signals and an end in good order (server::stop). request.cpp and
// response.cpp are plain functions without a csp call.

#include "server.h"

#include <libcsp/csp.h>

#include <fmt/core.h>
#include <sys/resource.h>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <optional>
#include <string>

namespace {

using namespace std::chrono_literals;

// How long a stop waits for answers that are under way.
constexpr auto patience = 5s;

std::optional<std::uint16_t> parse_port(const char* text) {
  std::uint16_t port = 0;
  const char* const end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, port);
  return error == std::errc() && stop == end ? std::optional(port) : std::nullopt;
}

// Each connection holds a descriptor; the usual limit of 1024 is for programs that use select(2).
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

int run(std::uint16_t port, const std::optional<std::string>& folder) {
  const csp::receiver<int> stop_signal = csp::signals({SIGINT, SIGTERM});
  csp::net::listener listener = csp::net::listener::bind("127.0.0.1", port).value();
  const http::site site(folder);
  http::server server(listener, site);

  csp::chan<void> ended;
  csp::join_handle<std::error_code> accepting = csp::spawn({.name = "accept"}, [&] {
    const std::error_code error = server.serve();
    ended.close();
    return error;
  });
  fmt::print("listening on {}\n", listener.local().to_string());
  std::fflush(stdout);

  csp::select(csp::on_recv(stop_signal), csp::on_recv(ended));
  server.stop(patience);
  if (const std::error_code error = accepting.join()) {
    throw std::system_error(error, "accept");
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::optional<std::uint16_t> port = argc == 2 || argc == 3 ? parse_port(argv[1]) : std::nullopt;
  if (!port) {
    fmt::print(stderr, "usage: http_server PORT [FOLDER]\n");
    return 2;
  }
  const std::optional<std::string> folder = argc == 3 ? std::optional<std::string>(argv[2]) : std::nullopt;
  try {
    raise_descriptor_limit();
    return csp::run([&] { return run(*port, folder); });
  } catch (const std::exception& error) {
    fmt::print(stderr, "http_server: {}\n", error.what());
    return 1;
  }
}
