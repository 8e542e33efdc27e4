// The chat of examples/http_server: events, their order, and listeners that leave or do not listen.
#include "test/support/plain_client.h"
#include "test/support/service.h"
#include "test/support/topologies.h"

#include <csignal>
#include <deque>
#include <string>
#include <string_view>

using csp_test::plain_client;
using csp_test::service;
using namespace std::chrono_literals;

namespace {

/// A client that has joined.
plain_client join(int port, int receive_buffer = 0) {
  plain_client result(port, receive_buffer);
  result.send("GET /chat/events HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string head = result.receive_until("\r\n\r\n");
  CHECK(head.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(head.ends_with("\r\nContent-Type: text/event-stream\r\nConnection: close\r\nCache-Control: no-store\r\n\r\n"));
  return result;
}

void say(const plain_client& client, std::string_view text) {
  client.send("POST /chat HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(text.size()) + "\r\n\r\n" +
              std::string(text));
  const std::string head = client.receive_until("\r\n\r\n");
  CHECK(head.starts_with("HTTP/1.1 204 No Content\r\n"));
}

/// The next event that is not a heartbeat.
std::string event(const plain_client& client) {
  std::string result;
  do {
    result = client.receive_until("\n\n");
  } while (result == ":\n\n");
  return result;
}

service start(int processors) {
  return service({csp_test::example_path("http_server"), "0"}, {{"CSP_PROCESSORS", std::to_string(processors)}});
}

void stop(service& server) {
  server.send(SIGTERM);
  CHECK(server.end() == 0);
  CHECK(server.errors() == "");
}

}  // namespace

TEST_CASE("all listeners hear all in one order") {
  for (const int processors : {1, 4}) {
    CAPTURE(processors);
    service server = start(processors);
    std::deque<plain_client> listeners;
    for (int i = 0; i < 20; ++i) {
      listeners.push_back(join(server.port()));
    }
    const plain_client first(server.port());
    const plain_client second(server.port());
    for (int i = 0; i < 20; ++i) {
      say(first, "a" + std::to_string(i));
      say(second, "b" + std::to_string(i));
      listeners.pop_front();  // one leaves without a word
      listeners.push_back(join(server.port()));
    }
    say(first, "last");
    // Listener i came after round i.
    for (std::size_t i = 0; i < listeners.size(); ++i) {
      for (std::size_t heard = i + 1; heard < listeners.size(); ++heard) {
        CHECK(event(listeners[i]) == "data: a" + std::to_string(heard) + "\n\n");
        CHECK(event(listeners[i]) == "data: b" + std::to_string(heard) + "\n\n");
      }
      CHECK(event(listeners[i]) == "data: last\n\n");
    }
    stop(server);
    for (const plain_client& listener : listeners) {
      CHECK(listener.receive_all() == "");
    }
  }
}

TEST_CASE("no text makes events of its own") {
  service server = start(2);
  const plain_client listener = join(server.port());
  const plain_client speaker(server.port());
  say(speaker, "a\nb\r\nc\rdata: d\n\nid: 1");
  CHECK(event(listener) == "data: a\ndata: b\ndata: c\ndata: data: d\ndata: \ndata: id: 1\n\n");
  say(speaker, "");
  CHECK(event(listener) == "data: \n\n");
  stop(server);
}

TEST_CASE("a listener that does not read is dropped, the others hear all") {
  service server = start(2);
  const plain_client good = join(server.port());
  const plain_client stuck = join(server.port(), 4096);
  const plain_client speaker(server.port());
  // More than the kernel buffers for a connection (6 MB at the most by default) and the server's channel hold.
  const std::string text(4000, 'x');
  constexpr int count = 4000;
  for (int i = 0; i < count; ++i) {
    say(speaker, text);
    REQUIRE(event(good) == "data: " + text + "\n\n");
  }
  std::size_t heard = 0;
  while (event(stuck) == "data: " + text + "\n\n") {
    ++heard;
  }
  CHECK(heard > 0);
  CHECK(heard < count);
  stop(server);
}
