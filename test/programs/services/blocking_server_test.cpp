// examples/blocking_server as a process: blocking calls in many tasks on few threads, by the hooks.
#include "test/support/plain_client.h"
#include "test/support/service.h"
#include "test/support/topologies.h"

#include <csignal>
#include <deque>
#include <string>
#include <thread>
#include <vector>

using csp_test::expectations;
using csp_test::plain_client;
using csp_test::service;

namespace {

service start(int processors) {
  return service({csp_test::example_path("blocking_server"), "0"}, {{"CSP_PROCESSORS", std::to_string(processors)}});
}

void stop(service& server, int signal = SIGTERM) {
  server.send(signal);
  CHECK(server.end() == 0);
  CHECK(server.errors() == "");
}

std::string ask(const plain_client& client, const std::string& line) {
  client.send(line + "\n");
  return client.receive_until("\n");
}

}  // namespace

TEST_CASE("values are set, got and deleted") {
  service server = start(2);
  const plain_client client(server.port());
  CHECK(ask(client, "get colour") == "none\n");
  CHECK(ask(client, "set colour light blue") == "ok\n");
  CHECK(ask(plain_client(server.port()), "get colour") == "light blue\n");
  CHECK(ask(client, "delete colour") == "ok\n");
  CHECK(ask(client, "delete colour") == "none\n");
  CHECK(ask(client, "get") == "what?\n");
  CHECK(ask(client, "") == "what?\n");
  client.send("set a 1\nset b 2\nget a\nget b\nge");
  CHECK(client.receive(10) == "ok\nok\n1\n2\n");
  client.send("t a\n");
  CHECK(client.receive_until("\n") == "1\n");
  client.send(std::string(10'000, 'x'));
  CHECK(client.receive_all() == "");
  stop(server);
}

TEST_CASE("one processor serves many clients that wait in read") {
  service server = start(1);
  std::deque<plain_client> idle;
  for (int i = 0; i < 500; ++i) {
    idle.emplace_back(server.port());
  }
  const plain_client client(server.port());
  for (int i = 0; i < 100; ++i) {
    CHECK(ask(client, "set k" + std::to_string(i) + " v" + std::to_string(i)) == "ok\n");
  }
  for (int i = 0; i < 500; ++i) {
    CHECK(ask(idle[static_cast<std::size_t>(i)], "get k" + std::to_string(i % 100)) ==
          "v" + std::to_string(i % 100) + "\n");
  }
  stop(server, SIGINT);
}

TEST_CASE("clients at once see their own writes") {
  for (const int processors : {1, 2, 4}) {
    CAPTURE(processors);
    service server = start(processors);
    expectations expect;
    std::vector<std::thread> clients;
    for (int i = 0; i < 20; ++i) {
      clients.emplace_back([&, i] {
        const plain_client client(server.port());
        const std::string key = "key" + std::to_string(i);
        for (int round = 0; round < 200; ++round) {
          const std::string value = std::to_string(i * 1000 + round);
          expect(ask(client, "set " + key + " " + value) == "ok\n", "set");
          expect(ask(client, "get " + key) == value + "\n", "got");
        }
      });
    }
    for (std::thread& client : clients) {
      client.join();
    }
    expect.verify();
    stop(server);
  }
}
