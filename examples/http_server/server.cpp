#include "server.h"

#include "connection.h"

#include <fmt/core.h>

#include <cstdio>
#include <exception>
#include <new>
#include <utility>

namespace http {

std::error_code server::serve() {
  for (;;) {
    try {
      auto stream = listener_.accept();
      if (!stream) {
        return stream.error() == std::errc::bad_file_descriptor ? std::error_code() : stream.error();
      }
      start(std::move(*stream));
    } catch (const std::bad_alloc&) {
      // No memory for one more task: this client is turned away, the others are served on.
    }
  }
}

void server::start(csp::net::stream stream) {
  at_work_.go([this, stream = std::move(stream)]() mutable {
    try {
      connection(std::move(stream), connections_, site_).serve();
    } catch (const std::exception& error) {  // one connection's trouble is not the server's
      fmt::print(stderr, "http_server: {}\n", error.what());
    }
  });
}

void server::stop(std::chrono::milliseconds limit) {
  listener_.close();
  connections_.stop();
  site_.close();
  if (!at_work_.wait_for(limit)) {
    connections_.cut_off();
    at_work_.wait();
  }
}

}  // namespace http
