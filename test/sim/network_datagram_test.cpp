// Datagrams over the simulated network, and a protocol over them whose bug is found.
#include "test/sim/seeds.h"
#include "test/support/catch.h"

#include <libcsp/csp.h>
#include <libcsp/testing.h>
#include <libcsp/testing_network.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

using namespace std::chrono_literals;
namespace testing = csp::testing;
using csp::net::address;
using csp::net::udp;

namespace {

[[nodiscard]] address at(std::string_view host, std::uint16_t port) { return address::parse(host, port).value(); }

/// Receives numbers until none has come for a while.
[[nodiscard]] std::vector<int> drain(udp& from) {
  std::vector<int> all;
  for (;;) {
    from.set_read_deadline(1s);
    int number = 0;
    const auto got = from.receive_from(&number, sizeof number);
    if (!got) {
      testing::check(got.error() == std::errc::timed_out, "nothing but the end of them");
      return all;
    }
    testing::check(got->size == sizeof number, "whole");
    all.push_back(number);
  }
}

}  // namespace

TEST_CASE("simulated datagrams: undisturbed, all come in order, with their sender") {
  csp_test::on_seeds(2000, [] {
    auto receiver = udp::bind(at("10.0.0.1", 53)).value();
    const testing::host here("10.0.0.2");
    auto sender = udp::bind("", 0).value();
    for (int i = 0; i < 20; ++i) {
      testing::check(sender.send_to(&i, sizeof i, receiver.local()).value() == sizeof i, "sent");
    }
    for (int i = 0; i < 20; ++i) {
      int number = -1;
      const auto got = receiver.receive_from(&number, sizeof number).value();
      testing::check(number == i, "in order");
      testing::check(got.from == at("10.0.0.2", sender.local().port()), "from its host and port");
    }
  });
}

TEST_CASE("simulated datagrams: loss, duplication and reordering are accounted exactly") {
  constexpr int count = 60;
  testing::datagram_counts all;
  std::size_t out_of_order = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const auto result = testing::simulate(seed, [&] {
      testing::network network;
      network.set_loss(0.2);
      network.set_duplication(0.1);
      network.set_reordering(0.1);
      auto receiver = udp::bind("127.0.0.1", 0).value();
      auto sender = udp::connect(receiver.local()).value();
      for (int i = 0; i < count; ++i) static_cast<void>(sender.send(&i, sizeof i).value());
      const std::vector<int> came = drain(receiver);
      const auto counts = network.datagrams();
      testing::check(counts.sent == count, "all were sent");
      testing::check(counts.arrived == came.size(), "what arrived was received");
      testing::check(counts.sent + counts.duplicated == counts.arrived + counts.lost, "nothing else has happened");
      testing::check(counts.reordered != 0 || std::is_sorted(came.begin(), came.end()), "in order, unless held back");
      const std::set<int> different(came.begin(), came.end());
      testing::check(came.size() - different.size() <= counts.duplicated, "only copies come twice");
      testing::check(different.size() + counts.lost >= count, "only the lost are missing");
      all.duplicated += counts.duplicated;
      all.lost += counts.lost;
      all.reordered += counts.reordered;
      if (!std::is_sorted(came.begin(), came.end())) ++out_of_order;
    });
    REQUIRE(result.failure == "");
  }
  // 12,000 were sent; the bounds are ten standard deviations wide.
  CHECK((all.duplicated > 850 && all.duplicated < 1550));
  CHECK((all.lost > 2150 && all.lost < 3150));
  CHECK((all.reordered > 750 && all.reordered < 1450));
  CHECK(out_of_order > 100);
}

TEST_CASE("simulated datagrams: partition, nobody there, no room, too long, cut short") {
  csp_test::on_seeds(2000, [] {
    testing::network network;
    auto receiver = udp::bind(at("10.0.0.1", 53)).value();
    const testing::host here("10.0.0.2");
    auto sender = udp::bind("", 0).value();
    network.partition("10.0.0.1", "10.0.0.2");
    static_cast<void>(sender.send_to("cut", receiver.local()).value());
    network.heal("10.0.0.1", "10.0.0.2");
    static_cast<void>(sender.send_to("nobody", at("10.0.0.1", 54)).value());
    const std::string large(60'000, 'x');
    for (int i = 0; i < 4; ++i) static_cast<void>(sender.send_to(large, receiver.local()).value());
    testing::check(sender.send_to(std::string(65'508, 'x'), receiver.local()).error() == std::errc::message_size,
                   "too long");
    csp::sleep_for(1s);
    const auto counts = network.datagrams();
    testing::check(counts.sent == 6 && counts.cut_off == 1 && counts.unreachable == 1, "cut off, and at nobody's");
    testing::check(counts.arrived == 3 && counts.overflowed == 1, "three of the large ones have room");
    char buffer[100];
    const auto first = receiver.receive_from(buffer, sizeof buffer).value();
    testing::check(first.size == sizeof buffer && first.truncated, "cut short");
    std::string whole(70'000, ' ');
    const auto second = receiver.receive_from(whole.data(), whole.size()).value();
    testing::check(second.size == large.size() && !second.truncated, "whole");
  });
}

TEST_CASE("simulated datagrams: a connected socket takes nothing from others") {
  csp_test::on_seeds(2000, [] {
    auto server = udp::bind("127.0.0.1", 0).value();
    auto client = udp::connect(server.local()).value();
    auto stranger = udp::bind("127.0.0.1", 0).value();
    testing::check(client.peer() == server.local(), "its peer");
    static_cast<void>(stranger.send_to("no", client.local()).value());
    static_cast<void>(server.send_to("yes", client.local()).value());
    char buffer[10];
    const auto size = client.receive(buffer, sizeof buffer).value();
    testing::check(std::string_view(buffer, size) == "yes", "the peer's");
    csp::sleep_for(1s);
    testing::check(testing::network().datagrams().unreachable == 1, "the stranger's has come to nobody");
  });
}

// --- an example: a counter that is asked to add, over a network that loses and doubles datagrams
// -----------------------

namespace {

struct request {
  std::uint32_t number;  // the same for all tries of one request
  std::int32_t add;
};
struct reply {
  std::uint32_t number;
  std::int32_t total;
};

class counter_server {
 public:
  counter_server(const address& where, bool suppresses_duplicates)
      : line_(udp::bind(where).value()), suppresses_duplicates_(suppresses_duplicates) {}

  [[nodiscard]] address where() const { return line_.local(); }
  void close() { line_.close(); }

  void serve() {
    request asked{};
    while (const auto got = line_.receive_from(&asked, sizeof asked)) {
      // A request that was carried out is answered, and not carried out again.
      if (!suppresses_duplicates_ || done_.insert(asked.number).second) total_ += asked.add;
      const reply answer{asked.number, total_};
      static_cast<void>(line_.send_to(&answer, sizeof answer, got->from));
    }
  }

 private:
  udp line_;
  const bool suppresses_duplicates_;
  std::set<std::uint32_t> done_;
  std::int32_t total_ = 0;
};

/// Asks until an answer comes.
[[nodiscard]] std::int32_t ask(udp& line, const request& asked) {
  for (;;) {
    static_cast<void>(line.send(&asked, sizeof asked));
    line.set_read_deadline(50ms);
    reply answer{};
    while (const auto got = line.receive(&answer, sizeof answer)) {
      if (answer.number == asked.number) return answer.total;  // else it is a late one
    }
  }
}

void count_over_lossy_network(bool suppresses_duplicates) {
  testing::network network;
  network.set_loss(0.05);
  network.set_duplication(0.02);
  network.set_reordering(0.1);
  counter_server server(at("10.0.0.1", 7), suppresses_duplicates);
  csp::wait_group all;
  all.go([&] { server.serve(); });
  auto line = udp::connect(server.where()).value();
  std::int32_t total = 0;
  for (std::uint32_t number = 1; number <= 3; ++number) total = ask(line, {number, 1});
  testing::check(total == 3, "three additions, whatever the network did");
  server.close();
  all.wait();
}

}  // namespace

TEST_CASE("simulated datagrams: a request that is carried out twice is found and shortened") {
  csp_test::on_seeds(2000, [] { count_over_lossy_network(true); });
  try {
    testing::explore(500, [] { count_over_lossy_network(false); });
    FAIL("not found");
  } catch (const testing::simulation_failure& failure) {
    CHECK(std::string(failure.what()).find("three additions") != std::string::npos);
    // What is left of the schedule is what the network did: one reply lost, or one request doubled.
    CHECK(csp::testing::replay(failure.seed(), failure.result().schedule, {}, [] {
            count_over_lossy_network(false);
          }).failure == failure.result().failure);
    const auto commas = std::count(failure.result().schedule.begin(), failure.result().schedule.end(), ',');
    CHECK(commas <= 2);
  }
}
