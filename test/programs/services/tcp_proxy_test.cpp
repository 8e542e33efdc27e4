// examples/tcp_proxy between clients and servers: bytes, ends and resets arrive on the other side as they were.
#include "test/support/plain_client.h"
#include "test/support/service.h"
#include "test/support/topologies.h"

#include <csignal>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

using csp_test::expectations;
using csp_test::plain_client;
using csp_test::plain_listener;
using csp_test::service;

namespace {

service start_proxy(int target_port, int processors = 2) {
  return service({csp_test::example_path("tcp_proxy"), "0", "127.0.0.1", std::to_string(target_port)},
                 {{"CSP_PROCESSORS", std::to_string(processors)}});
}

void stop(service& server) {
  server.send(SIGTERM);
  CHECK(server.end() == 0);
  CHECK(server.errors() == "");
}

std::string pattern(std::size_t size) {
  std::string result(size, '\0');
  std::uint32_t state = 7;
  for (char& byte : result) {
    state = state * 1'664'525 + 1'013'904'223;  // Numerical Recipes' generator
    byte = static_cast<char>(state >> 24);
  }
  return result;
}

/// Sends and receives at once; what came back.
std::string exchange(const plain_client& client, const std::string& text) {
  std::thread sender([&] {
    client.send(text);
    client.finish();
  });
  std::string result = client.receive_all();
  sender.join();
  return result;
}

}  // namespace

TEST_CASE("all bytes pass in both directions, and the end of one direction is handed on") {
  for (const int processors : {1, 2, 4}) {
    CAPTURE(processors);
    service echo({csp_test::example_path("echo_server"), "0"});
    service proxy = start_proxy(echo.port(), processors);
    const std::string text = pattern(1'000'000);
    expectations expect;
    std::vector<std::thread> clients;
    for (int i = 0; i < 10; ++i) {
      clients.emplace_back([&] { expect(exchange(plain_client(proxy.port()), text) == text, "echoed through"); });
    }
    for (std::thread& client : clients) {
      client.join();
    }
    expect.verify();
    stop(proxy);
    stop(echo);
  }
}

TEST_CASE("after one half was closed, the other goes on") {
  const plain_listener target;
  service proxy = start_proxy(target.port());
  const plain_client client(proxy.port());
  client.send("question");
  client.finish();
  const plain_client server = target.accept();
  CHECK(server.receive_all() == "question");
  server.send("ans");
  CHECK(client.receive(3) == "ans");
  server.send("wer");
  server.finish();
  CHECK(client.receive_all() == "wer");
  stop(proxy);
}

TEST_CASE("a reset on one side becomes one on the other") {
  const plain_listener target;
  service proxy = start_proxy(target.port());
  bool was_reset = false;
  {
    plain_client client(proxy.port());
    client.send("half a mess");
    const plain_client server = target.accept();
    CHECK(server.receive(11) == "half a mess");
    client.reset();
    CHECK(server.receive_all(&was_reset) == "");
    CHECK(was_reset);
  }
  {
    const plain_client client(proxy.port());
    plain_client server = target.accept();
    server.send("half an ans");
    CHECK(client.receive(11) == "half an ans");
    server.reset();
    CHECK(client.receive_all(&was_reset) == "");
    CHECK(was_reset);
  }
  stop(proxy);
}

TEST_CASE("no target: the client is told by a reset, and others are served when it is back") {
  int port = 0;
  {
    const plain_listener gone;
    port = gone.port();
  }
  service proxy = start_proxy(port);
  const plain_client client(proxy.port());
  bool was_reset = false;
  CHECK(client.receive_all(&was_reset) == "");
  CHECK(was_reset);
  stop(proxy);
}
