// The simulated network as a whole: determinism, hosts, names, and what is refused.
#include "test/sim/seeds.h"
#include "test/support/catch.h"

#include <libcsp/csp.h>
#include <libcsp/testing.h>
#include <libcsp/testing_network.h>

#include <fcntl.h>
#include <unistd.h>
#include <array>
#include <set>
#include <string>

using namespace std::chrono_literals;
namespace testing = csp::testing;
using csp::net::address;
using csp::net::listener;
using csp::net::stream;
using csp::net::udp;

namespace {

[[nodiscard]] address at(std::string_view host, std::uint16_t port) { return address::parse(host, port).value(); }

/// Some of everything: streams and datagrams between three hosts, while a partition comes and goes.
void mixed_traffic() {
  testing::network network;
  network.set_loss(0.1);
  network.set_reordering(0.2);
  auto server = listener::bind(at("10.0.0.1", 80)).value();
  auto sink = udp::bind(at("10.0.0.1", 53)).value();
  csp::wait_group all;
  all.go([&] {
    while (auto connection = server.accept()) {
      char buffer[64];
      while (const auto count = connection->read(buffer, sizeof buffer)) {
        if (*count == 0 || connection->write_all(buffer, *count)) break;
      }
    }
  });
  csp::wait_group clients;
  for (int id = 2; id <= 4; ++id) {
    clients.go([&, id] {
      const testing::host here("10.0.0." + std::to_string(id));
      auto connection = csp::net::connect(server.local()).value();
      auto line = udp::bind("", 0).value();
      std::array<char, 40> message{};
      for (int i = 0; i < 3; ++i) {
        testing::check(!connection.write_all(message.data(), message.size()), "written");
        testing::check(!connection.read_exactly(message.data(), message.size()), "echoed");
        static_cast<void>(line.send_to(message.data(), message.size(), sink.local()));
      }
    });
  }
  network.partition("10.0.0.1", "10.0.0.3");
  csp::sleep_for(3ms);
  network.heal();
  clients.wait();
  server.close();
  all.wait();
}

}  // namespace

TEST_CASE("simulated network: a seed gives one trace, again and again") {
  std::set<std::uint64_t> traces;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    const auto first = testing::simulate(seed, mixed_traffic);
    REQUIRE(first.failure == "");
    traces.insert(first.trace_hash);
    for (int i = 0; i < 50; ++i) {
      const auto again = testing::simulate(seed, mixed_traffic);
      REQUIRE(again.trace_hash == first.trace_hash);
      REQUIRE(again.schedule == first.schedule);
      REQUIRE(again.elapsed == first.elapsed);
    }
    const auto replayed = testing::replay(seed, first.schedule, {}, mixed_traffic);
    REQUIRE(replayed.trace_hash == first.trace_hash);
  }
  CHECK(traces.size() == 4);
}

TEST_CASE("simulated network: many seeds") { csp_test::on_seeds(2000, mixed_traffic); }

TEST_CASE("simulated network: a task is on a host, and so are those that it spawns") {
  csp_test::on_seeds(2000, [] {
    auto server = listener::bind(at("10.0.0.1", 80)).value();
    const auto source = [&] {
      const auto client = csp::net::connect(server.local()).value();
      return server.accept().value().peer();
    };
    testing::check(source().to_string().starts_with("192.0.2.1:"), "at first");
    {
      const testing::host here("10.0.0.2");
      testing::check(source().to_string().starts_with("10.0.0.2:"), "in the scope");
      csp::spawn([&] {
        testing::check(source().to_string().starts_with("10.0.0.2:"), "inherited");
        const testing::host there("10.0.0.3");
        testing::check(source().to_string().starts_with("10.0.0.3:"), "the inner one");
      }).join();
      // Loopback is each host's own.
      auto own = listener::bind("127.0.0.1", 90).value();
      testing::check(bool{csp::net::connect("127.0.0.1", 90)}, "one's own");
      const testing::host other("10.0.0.4");
      testing::check(csp::net::connect("127.0.0.1", 90).error() == std::errc::connection_refused, "not another's");
      auto any = listener::bind("", 100).value();
      testing::check(bool{csp::net::connect("10.0.0.4", 100)}, "by the address");
      testing::check(bool{csp::net::connect("localhost", 100)}, "by loopback");
    }
    testing::check(source().to_string().starts_with("192.0.2.1:"), "as before");
  });
}

TEST_CASE("simulated network: names") {
  const auto result = testing::simulate(1, [] {
    testing::network network;
    network.name("db", {at("10.0.0.1", 0), at("fd00::1", 0)});
    network.name("nobody", {});
    const auto found = csp::net::resolve("db", 5432).value();
    testing::check(found.size() == 2 && found[0] == at("10.0.0.1", 5432) && found[1] == at("fd00::1", 5432), "both");
    testing::check(csp::net::resolve("nobody", 1).error().category() == csp::net::resolver_category(), "no such name");
  });
  CHECK(result.failure == "");
  const auto unknown = testing::simulate(
      1, [] { testing::check(csp::net::connect("elsewhere", 80).error() == std::errc::not_supported, "an error"); });
  CHECK(unknown.failure.find("a look-up of 'elsewhere', service '80': there is no real I/O in a simulation") !=
        std::string::npos);
}

TEST_CASE("simulated network: what needs the outside world is refused by name") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_NONBLOCK) == 0);
  const int fd = ends[0];
  const std::string number = std::to_string(fd);
  const auto selected = testing::simulate(1, [fd] {
    try {
      csp::select(csp::on_readable(fd));
      testing::check(false, "it throws");
    } catch (const std::system_error& error) {
      testing::check(error.code() == std::errc::not_supported, "the error");
    }
  });
  CHECK(selected.failure.find("a select on file descriptor " + number + ": there is no real I/O in a simulation") == 0);
  const auto signalled = testing::simulate(1, [] {
    try {
      static_cast<void>(csp::signals({SIGUSR1}));
      testing::check(false, "it throws");
    } catch (const std::logic_error&) {
    }
  });
  CHECK(signalled.failure.find("csp::signals: there is no real I/O in a simulation") == 0);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("simulated network: a socket that is left from another simulation is nobody's") {
  stream left;
  const auto first = testing::simulate(1, [&] { left = csp::net::pair().value().first; });
  CHECK(first.failure == "");
  const auto second = testing::simulate(1, [&] {
    const auto fresh = csp::net::pair().value();
    char byte = 0;
    testing::check(left.read(&byte, 1).error() == std::errc::bad_file_descriptor, "nobody's");
    left.close();
    testing::check(!fresh.first.local().to_string().empty(), "the new ones are not meant");
  });
  CHECK(second.failure == "");
}

TEST_CASE("simulated network: a wait for what never comes is a deadlock") {
  const auto result = testing::simulate(1, [] {
    auto server = listener::bind("127.0.0.1", 0).value();
    static_cast<void>(server.accept());
  });
  CHECK(result.failure.find("deadlock") == 0);
}

TEST_CASE("simulated network: what is under way at the end is dropped") {
  const auto result = testing::simulate(1, [] {
    auto receiver = udp::bind("127.0.0.1", 0).value();
    auto sender = udp::connect(receiver.local()).value();
    static_cast<void>(sender.send("late").value());
  });
  CHECK(result.failure == "");
  CHECK(result.elapsed == 0ns);
}

TEST_CASE("simulated network: misuse") {
  CHECK_THROWS_AS(testing::network(), std::logic_error);
  CHECK_THROWS_AS(testing::host("10.0.0.1"), std::logic_error);
  const auto result = testing::simulate(1, [] {
    testing::network network;
    const auto refuses = [](auto call) {
      try {
        call();
      } catch (const std::invalid_argument&) {
        return true;
      }
      return false;
    };
    testing::check(refuses([&] { network.set_latency(2ms, 1ms); }), "latency");
    testing::check(refuses([&] { network.set_loss(1.5); }), "rate");
    testing::check(refuses([&] { network.set_window(0); }), "window");
    testing::check(refuses([&] { network.partition("db", "10.0.0.1"); }), "no address");
    testing::check(refuses([&] { static_cast<void>(testing::host("127.0.0.2")); }), "loopback");
  });
  CHECK(result.failure == "");
}

TEST_CASE("simulated network: readiness of its sockets as arms of a select") {
  csp_test::on_seeds(2000, [] {
    auto receiver = udp::bind(at("10.0.0.1", 53)).value();
    auto sender = udp::connect(receiver.local()).value();
    const int fd = receiver.native_handle();
    testing::check(csp::select(csp::on_readable(fd), csp::on_timeout(1s)) == 1, "nothing has come");
    testing::check(csp::select(csp::on_writable(fd), csp::on_timeout(1s)) == 0, "there is room");
    static_cast<void>(sender.send("x").value());
    const auto start = csp::clock::now();
    testing::check(csp::select(csp::on_readable(fd), csp::on_timeout(1s)) == 0, "something has");
    testing::check(csp::clock::now() - start < 2ms, "as soon as it did");
  });
}
