// A server that has run out of file descriptors: it goes on with the connections that it has, does not burn time on
// those that it cannot take, and takes them when it can.
#include "test/support/plain_client.h"
#include "test/support/service.h"
#include "test/support/topologies.h"

#include "sched/base/sanitizer.h"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using csp_test::plain_client;
using csp_test::service;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t limit = 64;  // descriptors

using crowd = std::vector<std::unique_ptr<plain_client>>;

/// What is asked, and how the answer ends.
struct words {
  std::string question;
  std::string end;
};

/// How many of the crowd, which have all asked, get an answer: the first ones.
std::size_t count_served(const crowd& clients, const words& said) {
  std::size_t served = 0;
  while (served < clients.size() && clients[served]->readable_within(served == 0 ? 10'000ms : 300ms)) {
    CHECK(clients[served]->receive_until(said.end).ends_with(said.end));
    ++served;
  }
  return served;
}

/// For a second those who are served ask again and again. Retries of accept are allowed, a busy loop is not.
void go_on_without_descriptors(const service& server, const crowd& clients, std::size_t served, const words& said) {
  const auto time_before = server.processor_time();
  const auto begin = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begin < 1s) {
    for (std::size_t i = 0; i < served; ++i) {
      clients[i]->send(said.question);
      CHECK(clients[i]->receive_until(said.end).ends_with(said.end));
    }
    std::this_thread::sleep_for(50ms);
  }
  CHECK(server.processor_time() - time_before < 500ms);
}

void run_out(const std::string& program, int processors, const words& said) {
  CAPTURE(program, processors);
  const std::string start = "ulimit -n " + std::to_string(limit) + "; exec " + csp_test::example_path(program) + " 0";
  service server({"/bin/sh", "-c", start}, {{"CSP_PROCESSORS", std::to_string(processors)}});
  // All are connected as the kernel sees it; the last ones wait in the backlog.
  crowd clients;
  for (std::size_t i = 0; i < 2 * limit; ++i) {
    clients.push_back(std::make_unique<plain_client>(server.port()));
    clients.back()->send(said.question);
  }
  const std::size_t served = count_served(clients, said);
  CAPTURE(server.errors());
  CHECK(served > limit / 2);
  CHECK(served < limit);
  go_on_without_descriptors(server, clients, served, said);

  // As the old ones leave, the others come in, in their order.
  for (std::size_t next = served; next < clients.size(); ++next) {
    clients[next - served].reset();
    CHECK(clients[next]->receive_until(said.end).ends_with(said.end));
  }
  for (const auto& client : clients) {
    if (client != nullptr) {
      client->send(said.question);
      CHECK(client->receive_until(said.end).ends_with(said.end));
    }
  }
  server.send(SIGTERM);
  CHECK(server.end() == 0);
  CHECK(server.errors() == "");
}

/// UBSan looks at memory by a pipe; without descriptors it takes every object for a wrong one.
bool cannot_check() {
  const bool cannot = csp::detail::sanitizer::address_sanitizer;
  if (cannot) {
    std::fprintf(stderr, "SKIPPED: the sanitizer of the servers needs descriptors itself\n");
  }
  return cannot;
}

}  // namespace

TEST_CASE("no descriptors left: csp::net") {
  if (cannot_check()) return;
  for (const int processors : {1, 4}) {
    run_out("echo_server", processors, {"ping\n", "ping\n"});
  }
}

TEST_CASE("no descriptors left: the HTTP server") {
  if (cannot_check()) return;
  run_out("http_server", 2, {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "hello, world\n"});
}

TEST_CASE("no descriptors left: blocking calls with hooks") {
  if (cannot_check()) return;
  run_out("blocking_server", 2, {"get a\n", "none\n"});
}
