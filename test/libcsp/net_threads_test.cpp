// csp::net outside tasks, in several schedulers, and over their ends.
#include "test/support/net.h"
#include "test/support/topologies.h"

#include <chrono>
#include <string>
#include <thread>

using namespace std::chrono_literals;
using csp_test::expectations;
using csp_test::footprint;
using csp_test::tcp_line;
using csp_test::with;
namespace net = csp::net;

namespace {

/// Serves one connection, and tells how it ended.
std::error_code echo(net::stream& line) {
  char buffer[64];
  for (;;) {
    const auto count = line.read(buffer, sizeof buffer);
    if (!count) return count.error();
    if (*count == 0) return {};
    if (const auto error = line.write_all(buffer, *count)) return error;
  }
}

/// Plays with an echo server.
void play(expectations& expect, net::stream& line, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    const std::string text = std::to_string(i);
    std::string answer(text.size(), ' ');
    expect(!line.write_all(text) && !line.read_exactly(answer.data(), answer.size()) && answer == text, "echoed");
  }
}

}  // namespace

TEST_CASE("plain threads without a scheduler use everything") {
  const auto before = footprint::now();
  expectations expect;
  {
    auto door = net::listener::bind("127.0.0.1", 0).value();
    std::thread server([&] {
      auto line = door.accept().value();
      expect(!echo(line), "until the client ends");
      expect(door.accept().error() == std::errc::bad_file_descriptor, "closed by another thread");
    });
    {
      auto line = net::connect("localhost", door.local().port()).value();
      play(expect, line, 100);
      char byte = 0;
      line.set_read_deadline(2ms);
      expect(line.read(&byte, 1).error() == std::errc::timed_out, "a deadline");
    }
    std::this_thread::sleep_for(5ms);  // so that it most often waits; either way is right
    door.close();
    server.join();

    tcp_line line;
    const auto read_in_thread = [&line, &expect](std::errc wanted) {
      return std::thread([&line, &expect, wanted] {
        char byte = 0;
        expect(line.client.read(&byte, 1).error() == wanted, "ended by another thread");
      });
    };
    std::thread first = read_in_thread(std::errc::timed_out);
    std::thread second = read_in_thread(std::errc::timed_out);
    std::this_thread::sleep_for(5ms);
    line.client.set_deadline(2ms);
    first.join();
    second.join();
    line.client.clear_deadline();
    first = read_in_thread(std::errc::bad_file_descriptor);
    second = read_in_thread(std::errc::bad_file_descriptor);
    std::this_thread::sleep_for(5ms);
    line.client.close();
    first.join();
    second.join();

    auto box = net::udp::bind("127.0.0.1", 0).value();
    std::thread sender([&] { expect(net::udp::connect(box.local())->send("x").value() == 1, "sent"); });
    char byte = 0;
    expect(box.receive_from(&byte, 1)->size == 1, "received");
    sender.join();
  }
  expect.verify();
  CHECK(footprint::settled(before) == before);
}

TEST_CASE("a select on a descriptor needs a scheduler") {
  auto ends = net::pair().value();
  CHECK_THROWS_AS(csp::select(csp::on_readable(ends.first.native_handle())), std::logic_error);
}

TEST_CASE("plain threads beside a scheduler talk with its tasks") {
  csp_test::on_each_topology([](expectations& expect, unsigned) {
    tcp_line line;
    std::thread outside([&] { expect(!echo(line.server), "served by a thread"); });
    play(expect, line.client, 50);
    expect(!line.client.shutdown(net::direction::write), "the end");
    csp::blocking([&] { outside.join(); });
    tcp_line back;
    auto served = csp::spawn([&] { return echo(back.server); });
    csp::blocking([&] { play(expect, back.client, 50); });
    std::thread reader([&] {
      char byte = 0;
      expect(back.client.read(&byte, 1).error() == std::errc::bad_file_descriptor, "closed by a task");
    });
    csp::sleep_for(2ms);
    back.client.close();
    csp::blocking([&] { reader.join(); });
    expect(!served.join(), "the server saw the end");
  });
}

TEST_CASE("a scheduler stops while plain threads wait in its poller") {
  const auto before = footprint::now();
  expectations expect;
  for (const unsigned processors : {1U, 2U, 4U}) {
    tcp_line line;
    tcp_line other;
    std::thread reader;
    std::thread closed;
    csp::run(with(processors), [&] {
      reader = std::thread([&] { expect(!echo(line.server), "it goes on"); });
      closed = std::thread([&] { expect(echo(other.server) == std::errc::bad_file_descriptor, "it goes on too"); });
      play(expect, line.client, 5);
      play(expect, other.client, 5);
      csp::sleep_for(2ms);
    });
    play(expect, line.client, 5);
    csp::run(with(processors), [&] { play(expect, line.client, 5); });
    line.client.close();
    other.server.close();
    reader.join();
    closed.join();
  }
  expect.verify();
  CHECK(footprint::settled(before) == before);
}

TEST_CASE("two schedulers share sockets") {
  const auto before = footprint::now();
  expectations expect;
  {
    csp::scheduler left(with(2));
    csp::scheduler right(with(1));
    for (int round = 0; round < 3; ++round) {  // stopped, and started again
      left.start();
      right.start();
      auto door = net::listener::bind("127.0.0.1", 0).value();
      auto server = left.spawn([&] {
        auto line = door.accept().value();
        return echo(line);
      });
      right
          .spawn([&] {
            auto line = net::connect(door.local()).value();
            play(expect, line, 100);
          })
          .join();
      expect(!server.join(), "served by the other scheduler");
      // One socket, waited for in both.
      std::atomic<int> accepted{0};
      const auto accept_all = [&] {
        while (door.accept()) accepted.fetch_add(1);
      };
      auto here = left.spawn(accept_all);
      auto there = right.spawn(accept_all);
      std::thread outside(accept_all);
      for (int i = 0; i < 50; ++i) expect(net::connect(door.local()).has_value(), "connected");
      while (accepted.load() < 50) std::this_thread::yield();
      door.close();
      here.join();
      there.join();
      outside.join();
      if (round == 1) right.stop();
      left.stop();
      right.stop();
    }
  }
  expect.verify();
  CHECK(footprint::settled(before) == before);
}

TEST_CASE("a listener outlives a run and serves the next one") {
  auto door = net::listener::bind("127.0.0.1", 0).value();
  for (int round = 0; round < 5; ++round) {
    expectations expect;
    csp::run(with(2), [&] {
      auto client = csp::spawn([&] {
        auto line = net::connect(door.local()).value();
        play(expect, line, 10);
      });
      auto line = door.accept().value();
      expect(!echo(line), "served");
      client.join();
      csp::go([&] { static_cast<void>(door.accept()); });  // still waits when the run ends
    });
    expect.verify();
  }
}
