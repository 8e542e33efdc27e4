// Ten thousand connections held at once by one process and served by it; the clients are tasks of this one. Every byte
// is accounted for.
#include <libcsp/net.h>

#include "test/support/plain_client.h"
#include "test/support/service.h"
#include "test/support/topologies.h"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <functional>
#include <string>

using csp_test::expectations;
using csp_test::service;
using namespace std::chrono_literals;
namespace net = csp::net;

namespace {

/// Raises the limit on descriptors, for this process and the servers that it starts; how many connections fit.
std::size_t connections_possible() {
  constexpr std::size_t wanted = 10'000;
  constexpr std::size_t others = 100;  // standard streams, the poller, what the test itself holds
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  limit.rlim_cur = limit.rlim_max;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
  const std::size_t possible =
      std::min(csp_test::scaled(wanted), static_cast<std::size_t>(std::min<rlim_t>(limit.rlim_cur, 1 << 20)) - others);
  if (possible < wanted) {
    std::fprintf(stderr, "SCALED DOWN: %zu connections instead of %zu (sanitizer, or RLIMIT_NOFILE is %zu)\n", possible,
                 wanted, static_cast<std::size_t>(limit.rlim_cur));
  }
  return possible;
}

/// What client `id` sends in a round, and the answer that it must get.
struct exchange {
  std::string question;
  std::string answer;
};
using script = std::function<exchange(std::size_t id, int round)>;

struct totals {
  std::atomic<std::size_t> sent{0};
  std::atomic<std::size_t> received{0};
};

void converse(expectations& expect, net::stream& line, const exchange& words, totals& bytes) {
  std::size_t sent = 0;
  std::size_t received = 0;
  std::string answer(words.answer.size(), '\0');
  expect(!line.write_all(words.question.data(), words.question.size(), &sent), "sent");
  expect(!line.read_exactly(answer.data(), answer.size(), &received), "received");
  expect(answer == words.answer, "the right answer");
  bytes.sent += sent;
  bytes.received += received;
}

/// Gates between the steps, so that all clients are in the same one.
struct steps {
  explicit steps(std::size_t count)
      : connected(static_cast<std::ptrdiff_t>(count)), served(static_cast<std::ptrdiff_t>(count)) {}
  csp::wait_group connected;
  csp::chan<void> talk;  // closed: all are connected
  csp::wait_group served;
  csp::chan<void> leave;  // closed: all were served
};

constexpr int rounds = 3;

void be_client(expectations& expect, net::result<net::stream> line, std::size_t id, const script& words, steps& gates,
               totals& bytes) {
  expect(bool{line}, "connected");
  gates.connected.done();
  gates.talk.recv();
  for (int round = 0; line && round < rounds; ++round) {
    converse(expect, *line, words(id, round), bytes);
  }
  gates.served.done();
  gates.leave.recv();
  if (line) {
    char nothing = 0;
    expect(!line->shutdown(net::direction::write), "ended our half");
    const auto rest = line->read(&nothing, 1);
    expect(rest && *rest == 0, "the server ended its half, and sent no more");
  }
}

/// What a server holds when it has no connection but has had one, since some descriptors are made with the first.
std::size_t descriptors_at_rest(const service& server, const script& words) {
  const csp_test::plain_client client(server.port());
  const exchange first = words(0, 0);
  client.send(first.question);
  CHECK(client.receive(first.answer.size()) == first.answer);
  return server.descriptors() - 1;
}

void hold_and_serve(const std::string& program, int processors, std::size_t count, const script& words) {
  service server({csp_test::example_path(program), "0"}, {{"CSP_PROCESSORS", std::to_string(processors)}});
  const std::size_t before = descriptors_at_rest(server, words);
  expectations expect;
  totals bytes;
  csp::run([&] {
    steps gates(count);
    csp::wait_group clients;
    // No more than the backlog holds ask at once, so that no connect has to be repeated after a second.
    csp::semaphore asking(500);
    for (std::size_t id = 0; id < count; ++id) {
      asking.acquire();
      clients.go([&, id] {
        auto line = net::connect(net::address::parse("127.0.0.1", static_cast<std::uint16_t>(server.port())).value());
        asking.release();
        be_client(expect, std::move(line), id, words, gates, bytes);
      });
    }
    gates.connected.wait();
    gates.talk.close();
    gates.served.wait();
    expect(server.descriptors() >= before + count, "all are held at once");
    gates.leave.close();
    clients.wait();
  });
  expect.verify();
  std::size_t sent = 0;
  std::size_t received = 0;
  for (std::size_t id = 0; id < count; ++id) {
    for (int round = 0; round < rounds; ++round) {
      sent += words(id, round).question.size();
      received += words(id, round).answer.size();
    }
  }
  CHECK(bytes.sent == sent);
  CHECK(bytes.received == received);
  CHECK(server.has_at_most(before, 20s));
  server.send(SIGTERM);
  CHECK(server.end() == 0);
  CHECK(server.errors() == "");
}

exchange echo(std::size_t id, int round) {
  std::string text = std::to_string(id) + "/" + std::to_string(round) + "/";
  text.append(id % 700 * static_cast<std::size_t>(round), static_cast<char>('a' + id % 26));
  return {text, text};
}

exchange store(std::size_t id, int round) {
  const std::string key = "key" + std::to_string(id);
  switch (round) {
    case 0:
      return {"get " + key + "\n", "none\n"};
    case 1:
      return {"set " + key + " value" + key + "\n", "ok\n"};
    default:
      return {"get " + key + "\n", "value" + key + "\n"};
  }
}

}  // namespace

TEST_CASE("ten thousand connections to csp::net") {
  const std::size_t count = connections_possible();
  for (const int processors : {1, 4}) {
    CAPTURE(processors);
    hold_and_serve("echo_server", processors, count, echo);
  }
}

TEST_CASE("ten thousand connections to blocking calls with hooks") {
  hold_and_serve("blocking_server", 2, connections_possible(), store);
}
