// examples/echo_server as a process: every byte comes back, in order, whatever the clients do.
#include "test/support/plain_client.h"
#include "test/support/service.h"
#include "test/support/topologies.h"

#include <csignal>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

using csp_test::expectations;
using csp_test::plain_client;
using csp_test::service;

namespace {

service start(int processors) {
  return service({csp_test::example_path("echo_server"), "0"}, {{"CSP_PROCESSORS", std::to_string(processors)}});
}

void stop(service& server) {
  server.send(SIGTERM);
  CHECK(server.end() == 0);
  CHECK(server.errors() == "");
}

std::string pattern(std::size_t size, std::uint32_t state) {
  std::string result(size, '\0');
  for (char& byte : result) {
    state = state * 1'664'525 + 1'013'904'223;  // Numerical Recipes' generator
    byte = static_cast<char>(state >> 24);
  }
  return result;
}

/// Messages of growing sizes, each echoed before the next.
void converse(expectations& expect, int port, std::uint32_t seed) {
  const plain_client client(port);
  for (std::size_t size = 1; size <= 100'000; size = size * 3 + seed % 5) {
    const std::string text = pattern(size, seed);
    client.send(text);
    expect(client.receive(size) == text, "echoed");
  }
  client.finish();
  expect(client.receive_all().empty(), "the end is answered by the end");
}

}  // namespace

TEST_CASE("many clients talk at once") {
  for (const int processors : {1, 2, 4}) {
    CAPTURE(processors);
    service server = start(processors);
    expectations expect;
    std::vector<std::thread> clients;
    for (std::uint32_t i = 0; i < 50; ++i) {
      clients.emplace_back([&, i] { converse(expect, server.port(), i); });
    }
    for (std::thread& client : clients) {
      client.join();
    }
    expect.verify();
    stop(server);
  }
}

TEST_CASE("ten megabytes in both directions at once") {
  service server = start(2);
  const std::string text = pattern(10'000'000, 1);
  const plain_client client(server.port());
  std::thread sender([&] {
    client.send(text);
    client.finish();
  });
  const std::string answer = client.receive_all();
  sender.join();
  CHECK((answer == text));
  stop(server);
}

TEST_CASE("clients that break off hurt nobody") {
  service server = start(2);
  const plain_client steady(server.port());
  for (int i = 0; i < 100; ++i) {
    plain_client client(server.port());
    client.send(pattern(50'000, 2));
    if (i % 2 == 0) {
      client.reset();
    }
    steady.send("still there?");
    CHECK(steady.receive(12) == "still there?");
  }
  stop(server);
  CHECK(steady.receive_all() == "");
}

TEST_CASE("SIGINT ends it as well, while clients are connected") {
  service server = start(4);
  const plain_client client(server.port());
  client.send("x");
  CHECK(client.receive(1) == "x");
  server.send(SIGINT);
  CHECK(server.end() == 0);
  CHECK(client.receive_all() == "");
}
