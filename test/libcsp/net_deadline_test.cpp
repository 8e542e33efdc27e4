// Deadlines of csp::net's sockets.
#include "test/support/net.h"

#include <chrono>
#include <string>
#include <thread>

using namespace std::chrono_literals;
using csp_test::expectations;
using csp_test::on_each_topology;
using csp_test::tcp_line;
using csp_test::until_waiting;
namespace net = csp::net;
using steady = std::chrono::steady_clock;

TEST_CASE("a deadline ends an operation that starts after it was set, and not before its time") {
  on_each_topology([](expectations& expect, unsigned) {
    tcp_line line;
    char byte = 0;
    const auto limit = steady::now() + 5ms;
    line.client.set_read_deadline(limit);
    expect(line.client.read(&byte, 1).error() == std::errc::timed_out, "timed out");
    expect(steady::now() >= limit, "not before");
    expect(line.client.read(&byte, 1).error() == std::errc::timed_out, "and again, at once");
    expect(!line.server.write_all("x"), "there is data");
    expect(line.client.read(&byte, 1).error() == std::errc::timed_out, "which does not matter");
    expect(!line.client.write_all("y"), "the other direction has none");
    line.client.clear_deadline();
    expect(line.client.read(&byte, 1).value() == 1, "and without it the data comes");
    const std::string much = csp_test::pattern(10'000'000);
    line.client.set_write_deadline(20ms);
    std::size_t sent = 0;
    expect(line.client.write_all(much, &sent) == std::errc::timed_out, "a peer that reads not");
    expect(sent > 0 && sent < much.size(), "a part went");
    expect(line.client.write("x").error() == std::errc::timed_out, "it stays");
    expect(!line.server.write_all("z") && line.client.read(&byte, 1).value() == 1, "reading goes on");
    line.client.set_deadline(-1s);
    expect(line.client.read(&byte, 1).error() == std::errc::timed_out, "one that has passed");
    line.client.set_deadline(std::chrono::hours::max());
    expect(!line.server.write_all("z") && line.client.read(&byte, 1).value() == 1, "one that never comes");
  });
}

TEST_CASE("a deadline that is set, drawn near, put off or cleared reaches those who wait already") {
  on_each_topology([](expectations& expect, unsigned) {
    tcp_line line;
    const auto reads = [&] {
      char byte = 0;
      const auto count = line.client.read(&byte, 1);
      return count ? std::error_code() : count.error();
    };
    auto first = csp::spawn({"reader"}, reads);
    auto second = csp::spawn({"reader"}, reads);
    until_waiting("reader", 2);
    line.client.set_read_deadline(2ms);
    expect(first.join() == std::errc::timed_out && second.join() == std::errc::timed_out, "none: now one, for both");

    line.client.set_read_deadline(1h);
    first = csp::spawn({"reader"}, reads);
    until_waiting("reader");
    line.client.set_read_deadline(steady::now());
    expect(first.join() == std::errc::timed_out, "nearer");

    line.client.set_read_deadline(20ms);
    first = csp::spawn({"reader"}, reads);
    until_waiting("reader");
    line.client.set_read_deadline(1h);
    csp::sleep_for(25ms);
    expect(!line.server.write_all("x") && !first.join(), "put off");

    line.client.set_read_deadline(20ms);
    first = csp::spawn({"reader"}, reads);
    until_waiting("reader");
    line.client.clear_deadline();
    csp::sleep_for(25ms);
    expect(!line.server.write_all("x") && !first.join(), "cleared");
  });
}

TEST_CASE("deadlines of accept, receive and a plain thread's read") {
  on_each_topology([](expectations& expect, unsigned) {
    auto door = net::listener::bind("127.0.0.1", 0).value();
    door.set_deadline(2ms);
    expect(door.accept().error() == std::errc::timed_out, "accept");
    auto box = net::udp::bind("127.0.0.1", 0).value();
    box.set_read_deadline(2ms);
    char byte = 0;
    expect(box.receive_from(&byte, 1).error() == std::errc::timed_out, "receive_from");
    expect(box.receive(&byte, 1).error() == std::errc::timed_out, "receive");
    tcp_line line;
    std::thread outside([&] {
      char in_thread = 0;
      line.client.set_deadline(2ms);
      expect(line.client.read(&in_thread, 1).error() == std::errc::timed_out, "in a thread beside a scheduler");
      line.client.set_deadline(1h);
    });
    csp::blocking([&] { outside.join(); });
    std::thread waiting([&] {
      char in_thread = 0;
      expect(line.client.read(&in_thread, 1).error() == std::errc::timed_out, "also one that is set later");
    });
    csp::sleep_for(2ms);
    line.client.set_deadline(steady::now());
    csp::blocking([&] { waiting.join(); });
  });
}

TEST_CASE("deadlines race the data") {
  on_each_topology([](expectations& expect, unsigned) {
    tcp_line line;
    const std::size_t rounds = csp_test::scaled(2000);
    auto writer = csp::spawn([&] {
      for (std::size_t i = 0; i < rounds; ++i) {
        const char byte = static_cast<char>(i);
        expect(!line.server.write_all(&byte, 1), "written");
        if (i % 3 == 0) csp::sleep_for(10us);
      }
    });
    auto setter = csp::spawn([&] {
      for (std::size_t i = 0; i < rounds; ++i) {
        line.client.set_read_deadline(std::chrono::microseconds(i % 40));
        csp::yield();
      }
      line.client.clear_deadline();
    });
    std::size_t got = 0;
    while (got < rounds) {
      char byte = 0;
      const auto count = line.client.read(&byte, 1);
      if (count) {
        expect(*count == 1 && byte == static_cast<char>(got), "in order, none lost");
        ++got;
      } else {
        expect(count.error() == std::errc::timed_out, "or timed out");
        csp::yield();
      }
    }
    writer.join();
    setter.join();
  });
}
