// Streams over the simulated network: bytes, back-pressure, ends, errors.
#include "test/sim/seeds.h"
#include "test/support/catch.h"

#include <libcsp/csp.h>
#include <libcsp/testing.h>
#include <libcsp/testing_network.h>

#include <cstdint>
#include <string>
#include <vector>

using namespace std::chrono_literals;
namespace testing = csp::testing;
using csp::net::address;
using csp::net::listener;
using csp::net::stream;

namespace {

/// Bytes that tell their place.
[[nodiscard]] std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 131 + i / 256);
  return bytes;
}

[[nodiscard]] address at(std::string_view host, std::uint16_t port) { return address::parse(host, port).value(); }

/// Reads until the end.
[[nodiscard]] std::string read_all(stream& from) {
  std::string all;
  char buffer[700];
  while (const auto count = from.read(buffer, sizeof buffer)) {
    if (*count == 0) return all;
    all.append(buffer, *count);
  }
  testing::check(false, "reads until the end");
  return all;
}

void serve_echo(stream connection) {
  char buffer[512];
  for (;;) {
    const auto count = connection.read(buffer, sizeof buffer);
    if (!count || *count == 0 || connection.write_all(buffer, *count)) return;
  }
}

/// Two ends of one tcp connection, from client to server.
[[nodiscard]] std::pair<stream, stream> connected(std::string_view server_host) {
  auto server = listener::bind(at(server_host, 0)).value();
  auto accepted = csp::spawn([&] { return server.accept().value(); });
  auto client = csp::net::connect(server.local()).value();
  return {std::move(client), accepted.join()};
}

/// Times between which a wait of `body` ended.
[[nodiscard]] std::chrono::nanoseconds time_of(const std::function<void()>& body) {
  const auto start = csp::clock::now();
  body();
  return csp::clock::now() - start;
}

}  // namespace

TEST_CASE("simulated streams: echo gives back every byte in order") {
  csp_test::on_seeds(2000, [] {
    testing::network network;
    network.set_window(2000);
    auto server = listener::bind("127.0.0.1", 0).value();
    csp::wait_group all;
    all.go([&] {
      for (int i = 0; i < 2; ++i) {
        all.go(
            [connection = std::make_shared<stream>(server.accept().value())] { serve_echo(std::move(*connection)); });
      }
    });
    for (std::size_t id = 0; id < 2; ++id) {
      all.go([&, id] {
        auto client = csp::net::connect(server.local()).value();
        testing::check(client.peer() == server.local(), "the peer is the listener");
        const std::string sent = pattern(1500 + 3000 * id);
        csp::wait_group writer;
        writer.go([&] {
          testing::check(!client.write_all(sent), "written");
          testing::check(!client.shutdown(csp::net::direction::write), "ended");
        });
        testing::check(read_all(client) == sent, "the bytes that were sent");
        writer.wait();
      });
    }
    all.wait();
  });
}

TEST_CASE("simulated streams: a reader gets segments, not writes") {
  std::size_t writes_in_parts = 0;
  std::size_t writes_short = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const auto result = testing::simulate(seed, [&] {
      auto [client, server] = connected("127.0.0.1");
      const auto written = client.write("0123456789").value();
      if (written < 10) ++writes_short;
      char buffer[20];
      const auto first = server.read(buffer, sizeof buffer).value();
      if (first < written) ++writes_in_parts;
    });
    REQUIRE(result.failure == "");
  }
  CHECK(writes_in_parts > 20);
  CHECK(writes_short > 5);
  CHECK(writes_short < 100);
}

TEST_CASE("simulated streams: a writer waits for its reader") {
  for (const bool local : {false, true}) {
    csp_test::on_seeds(2000, [local] {
      constexpr std::size_t window = 1000;
      constexpr std::size_t total = 20 * window;
      testing::network network;
      network.set_window(window);
      auto [writer, reader] = local ? csp::net::pair().value() : connected("127.0.0.1");
      const std::string sent = pattern(total);
      std::size_t written = 0;
      std::size_t read = 0;
      csp::wait_group done;
      done.go([&, &writer = writer] {
        while (written < total) {
          written += writer.write(sent.data() + written, total - written).value();
          testing::check(written <= read + window, "not further ahead than the window");
        }
        writer.close();
      });
      csp::sleep_for(10s);
      testing::check(written == window, "and so far ahead while nobody reads");
      while (read < total) {
        char buffer[300];
        // Counted before others can see that it was read.
        const std::size_t wanted = std::min(sizeof buffer, total - read);
        read += wanted;
        testing::check(!reader.read_exactly(buffer, wanted), "read");
        testing::check(sent.compare(read - wanted, wanted, buffer, wanted) == 0, "what was written there");
        csp::sleep_for(1ms);
      }
      done.wait();
    });
  }
}

TEST_CASE("simulated streams: one half ends, the other goes on") {
  csp_test::on_seeds(2000, [] {
    auto [client, server] = connected("10.0.0.1");
    testing::check(!client.write_all("question"), "asked");
    testing::check(!client.shutdown(csp::net::direction::write), "ended");
    testing::check(client.write("more").error() == std::errc::broken_pipe, "no writing after the end");
    testing::check(read_all(server) == "question", "and its end");
    csp::sleep_for(1s);
    testing::check(!server.write_all("answer"), "answered");
    server.close();
    testing::check(read_all(client) == "answer", "the answer");
  });
}

TEST_CASE("simulated streams: refused, in use, no such path") {
  csp_test::on_seeds(2000, [] {
    testing::check(csp::net::connect(at("10.0.0.1", 80)).error() == std::errc::connection_refused, "nobody listens");
    auto server = listener::bind(at("10.0.0.1", 80)).value();
    testing::check(listener::bind(at("10.0.0.1", 80)).error() == std::errc::address_in_use, "taken");
    testing::check(bool{listener::bind(at("10.0.0.2", 80))}, "not on another host");
    testing::check(csp::net::connect(at("10.0.0.1", 81)).error() == std::errc::connection_refused, "another port");
    server.close();
    testing::check(csp::net::connect(at("10.0.0.1", 80)).error() == std::errc::connection_refused, "closed");
    testing::check(bool{listener::bind(at("10.0.0.1", 80))}, "free again");
    testing::check(
        csp::net::connect(address::unix_path("/nowhere").value()).error() == std::errc::no_such_file_or_directory,
        "no such path");
  });
}

TEST_CASE("simulated streams: a full backlog makes the next one wait") {
  csp_test::on_seeds(2000, [] {
    csp::net::listen_options options;
    options.backlog = 1;
    auto server = listener::bind(at("10.0.0.1", 80), options).value();
    const auto first = csp::net::connect(server.local()).value();
    const auto second = csp::net::connect(server.local()).value();
    csp::net::connect_options limit;
    limit.deadline = csp::clock::now() + 500ms;
    testing::check(csp::net::connect(server.local(), limit).error() == std::errc::timed_out, "no room");
    csp::wait_group acceptor;
    acceptor.go([&] {
      for (int i = 0; i < 3; ++i) static_cast<void>(server.accept().value());
    });
    const auto third = csp::net::connect(server.local());
    testing::check(bool{third}, "room again");
    acceptor.wait();
  });
}

TEST_CASE("simulated streams: a partition, with a deadline, without, and healed") {
  csp_test::on_seeds(2000, [] {
    testing::network network;
    auto server = listener::bind(at("10.0.0.1", 80)).value();
    const testing::host here("10.0.0.2");
    network.partition("10.0.0.1", "10.0.0.2");
    csp::net::connect_options limit;
    limit.deadline = csp::clock::now() + 3s;
    const auto waited = time_of([&] {
      testing::check(csp::net::connect(server.local(), limit).error() == std::errc::timed_out, "the deadline");
    });
    testing::check(waited == 3s, "not before, not after");
    const auto patience = time_of(
        [&] { testing::check(csp::net::connect(server.local()).error() == std::errc::timed_out, "no more tries"); });
    testing::check(patience > 127s && patience < 128s, "as tcp_syn_retries");
    csp::wait_group healer;
    healer.go([&] {
      csp::sleep_for(5s);
      network.heal("10.0.0.2", "10.0.0.1");
    });
    auto client = csp::net::connect(server.local()).value();
    auto accepted = server.accept().value();
    healer.wait();
    // What is written while it lasts comes when it is over.
    network.partition("10.0.0.1", "10.0.0.2");
    testing::check(!client.write_all("late"), "written");
    client.close();
    accepted.set_read_deadline(60s);
    char byte = 0;
    testing::check(accepted.read(&byte, 1).error() == std::errc::timed_out, "nothing comes");
    network.heal();
    accepted.clear_deadline();
    testing::check(read_all(accepted) == "late", "now it does");
  });
}

TEST_CASE("simulated streams: what cannot be delivered times out") {
  const auto result = testing::simulate(3, [] {
    testing::network network;
    const testing::host here("10.0.0.2");
    auto [client, server] = connected("10.0.0.1");
    network.partition("10.0.0.1", "10.0.0.2");
    testing::check(!client.write_all("lost"), "written");
    char byte = 0;
    const auto patience = time_of([&, &client = client] {
      testing::check(client.read(&byte, 1).error() == std::errc::timed_out, "no more tries");
    });
    testing::check(patience > 900s && patience < 1000s, "as tcp_retries2");
    testing::check(client.write("x").error() == std::errc::broken_pipe, "and over");
  });
  CHECK(result.failure == "");
}

TEST_CASE("simulated streams: a reset ends reads and writes on both sides") {
  csp_test::on_seeds(2000, [] {
    testing::network network;
    network.set_window(5000);
    const testing::host here("10.0.0.2");
    auto [client, server] = connected("10.0.0.1");
    csp::wait_group both;
    both.go([&, &client = client] {
      std::error_code error;
      while (!error) error = client.write_all(pattern(3000));
      testing::check(error == std::errc::connection_reset, "the writer's error");
      testing::check(client.write("x").error() == std::errc::broken_pipe, "told once");
      char byte = 0;
      testing::check(client.read(&byte, 1).value() == 0, "nothing comes any more");
    });
    both.go([&, &server = server] {
      char buffer[100];
      csp::net::result<std::size_t> count = 0;
      do {
        csp::sleep_for(1ms);
        count = server.read(buffer, sizeof buffer);
      } while (count && *count != 0);
      testing::check(count.error() == std::errc::connection_reset, "the reader's error");
    });
    csp::sleep_for(20ms);
    network.reset("10.0.0.1", "10.0.0.2");
    testing::check(!network.reset(client), "it is none any more");
    both.wait();
  });
}

TEST_CASE("simulated streams: closing with unread bytes resets the peer") {
  for (const bool local : {false, true}) {
    csp_test::on_seeds(2000, [local] {
      auto [client, server] = local ? csp::net::pair().value() : connected("10.0.0.1");
      testing::check(!client.write_all("never read"), "written");
      csp::sleep_for(1s);
      server.close();
      char byte = 0;
      testing::check(client.read(&byte, 1).error() == std::errc::connection_reset, "reset");
      testing::check(client.write("x").error() == std::errc::broken_pipe, "broken");
    });
  }
}

TEST_CASE("simulated streams: writing to who has closed breaks the pipe") {
  csp_test::on_seeds(2000, [] {
    auto [client, server] = connected("10.0.0.1");
    server.close();
    testing::check(read_all(client).empty(), "the end");
    testing::check(bool{client.write("into the void")}, "not known yet");
    csp::sleep_for(1s);
    testing::check(client.write("x").error() == std::errc::broken_pipe, "known");
  });
}

TEST_CASE("simulated streams: close wakes who waits") {
  csp_test::on_seeds(2000, [] {
    auto [client, server] = connected("10.0.0.1");
    auto waiting = listener::bind(at("10.0.0.1", 0)).value();
    csp::wait_group all;
    all.go([&, &client = client] {
      char byte = 0;
      testing::check(client.read(&byte, 1).error() == std::errc::bad_file_descriptor, "closed under a read");
    });
    all.go(
        [&] { testing::check(waiting.accept().error() == std::errc::bad_file_descriptor, "closed under an accept"); });
    all.go([&, &server = server] { testing::check(read_all(server).empty(), "the peer sees the end"); });
    all.go([&, &client = client] { client.close(); });
    all.go([&] { waiting.close(); });
    all.wait();
  });
}

TEST_CASE("simulated streams: a cancelled wait ends") {
  csp_test::on_seeds(2000, [] {
    auto [client, server] = connected("10.0.0.1");
    bool canceled = false;
    auto reader = csp::spawn([&, &client = client] {
      char byte = 0;
      try {
        static_cast<void>(client.read(&byte, 1));
      } catch (const csp::canceled&) {
        canceled = true;
        throw;
      }
    });
    csp::sleep_for(1ms);
    reader.cancel();
    try {
      reader.join();
    } catch (const csp::canceled&) {
    }
    testing::check(canceled, "it was");
    testing::check(!server.write_all("still open"), "the socket is as it was");
  });
}

TEST_CASE("simulated streams: of several addresses the reachable one wins") {
  std::size_t second_family = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const auto result = testing::simulate(seed, [&] {
      testing::network network;
      auto six = listener::bind(at("fd00::1", 80)).value();
      auto four = listener::bind(at("10.0.0.1", 80)).value();
      network.name("db", {at("fd00::1", 0), at("10.0.0.1", 0)});
      const testing::host here("10.0.0.2");
      network.partition("10.0.0.2", "fd00::1");
      const auto waited = time_of([&] {
        const auto won = csp::net::connect("db", 80).value();
        if (won.peer() == at("10.0.0.1", 80)) ++second_family;
      });
      testing::check(waited >= 250ms && waited < 300ms, "after the delay of RFC 8305");
      static_cast<void>(four.accept().value());
      // With none reachable the deadline decides.
      network.partition("10.0.0.2", "10.0.0.1");
      csp::net::connect_options limit;
      limit.deadline = csp::clock::now() + 2s;
      testing::check(csp::net::connect("db", 80, limit).error() == std::errc::timed_out, "none");
      // And where one refuses, the next is tried at once.
      network.heal();
      six.close();
      const auto quick = time_of([&] { testing::check(bool{csp::net::connect("db", 80)}, "the other"); });
      testing::check(quick < 250ms, "without the delay");
    });
    REQUIRE(result.failure == "");
  }
  CHECK(second_family == 200);
}

TEST_CASE("simulated streams: unix paths") {
  csp_test::on_seeds(2000, [] {
    const auto path = address::unix_path("/run/simulated.sock").value();
    auto server = listener::bind(path).value();
    testing::check(listener::bind(path).error() == std::errc::address_in_use, "taken");
    csp::wait_group one;
    one.go([&] { serve_echo(server.accept().value()); });
    auto client = csp::net::connect(path).value();
    testing::check(client.peer() == path, "its name");
    const std::string sent = pattern(2000);
    const auto took = time_of([&] {
      testing::check(!client.write_all(sent), "written");
      testing::check(!client.shutdown(csp::net::direction::write), "ended");
      testing::check(read_all(client) == sent, "the bytes that were sent");
    });
    testing::check(took == 0s, "without latency");
    one.wait();
    server.close();
    testing::check(csp::net::connect(path).error() == std::errc::no_such_file_or_directory, "gone with its listener");
  });
}

TEST_CASE("simulated streams: a listener that goes resets those it has not accepted") {
  csp_test::on_seeds(2000, [] {
    auto server = listener::bind(at("10.0.0.1", 80)).value();
    auto client = csp::net::connect(server.local()).value();
    csp::sleep_for(1s);
    server.close();
    char byte = 0;
    testing::check(client.read(&byte, 1).error() == std::errc::connection_reset, "reset");
  });
}

TEST_CASE("simulated streams: options, and a number that goes from hand to hand") {
  csp_test::on_seeds(20, [] {
    auto [client, server] = connected("10.0.0.1");
    testing::check(client.option(SOL_SOCKET, SO_TYPE).value() == SOCK_STREAM, "its type");
    testing::check(!client.set_keep_alive(true) && client.option(SOL_SOCKET, SO_KEEPALIVE).value() == 1, "kept");
    const int number = client.release();
    testing::check(!client.is_open(), "given away");
    auto again = stream::adopt(number).value();
    testing::check(!again.write_all("as before") && !again.shutdown(csp::net::direction::both), "written and ended");
    testing::check(read_all(server) == "as before", "by the same connection");
    char byte = 0;
    testing::check(again.read(&byte, 1).value() == 0, "its own reading has ended");
  });
}
