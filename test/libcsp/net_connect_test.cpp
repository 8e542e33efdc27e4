// Connecting: one address, several that race (RFC 8305), names.
#include "test/support/net.h"

#include <fcntl.h>
#include <poll.h>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using csp_test::expectations;
using csp_test::on_each_topology;
using csp_test::until_waiting;
namespace net = csp::net;
using steady = std::chrono::steady_clock;

namespace {

/// An address that answers nothing: a listener whose backlog is full drops what comes.
class black_hole {
 public:
  black_hole() {
    net::listen_options narrow;
    narrow.backlog = 0;
    door_ = net::listener::bind("127.0.0.1", 0, narrow).value();
    for (bool full = false; !full;) {
      const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      static_cast<void>(::connect(fd, door_.local().native(), door_.local().native_length()));
      pollfd subject{fd, POLLOUT, 0};
      full = ::poll(&subject, 1, 50) == 0;
      fillers_.push_back(fd);
    }
  }
  ~black_hole() {
    for (const int fd : fillers_) ::close(fd);
  }
  black_hole(const black_hole&) = delete;
  black_hole& operator=(const black_hole&) = delete;
  [[nodiscard]] net::address where() const { return door_.local(); }

 private:
  net::listener door_;
  std::vector<int> fillers_;
};

/// An address that refuses.
net::address refusing() {
  return net::listener::bind("127.0.0.1", 0).value().local();  // closed by the end of this line
}

bool has_ipv6() {
  const bool here = net::listener::bind("::1", 0).has_value();
  if (!here) std::puts("SKIPPED: IPv6, which this machine has not");
  return here;
}

net::connect_options within(std::chrono::milliseconds limit, std::chrono::milliseconds delay) {
  net::connect_options options;
  options.deadline = steady::now() + limit;
  options.attempt_delay = delay;
  return options;
}

/// All that is to be checked about races; in tasks and in plain threads.
void check_races(expectations& expect, const black_hole& hole, const net::address& good) {
  using list = std::vector<net::address>;
  const list hole_first{hole.where(), good};
  auto start = steady::now();
  auto line = net::connect(hole_first, within(10s, 20ms));
  expect(line && line->peer() == good, "the second address wins");
  expect(steady::now() - start >= 20ms, "not before the first has had its time");
  expect(!line->write_all("x"), "it works, without a deadline left over");

  const list refused_first{refusing(), refusing(), good};
  line = net::connect(refused_first, within(10s, 1h));
  expect(line && line->peer() == good, "who refuses is passed over at once");

  const list nobody{refusing(), refusing()};
  expect(net::connect(nobody, within(10s, 1h)).error() == std::errc::connection_refused, "all refuse");
  const list silent{hole.where(), refusing(), hole.where()};
  start = steady::now();
  expect(net::connect(silent, within(30ms, 1ms)).error() == std::errc::timed_out, "no answer in time");
  expect(steady::now() - start >= 30ms, "not before its time");
  expect(net::connect(hole.where(), within(10ms, 1ms)).error() == std::errc::timed_out, "one address");
  expect(net::connect(list{good}, within(-1s, 1ms)).error() == std::errc::timed_out, "too late from the start");
  expect(net::connect(list{}, {}).error() == std::errc::invalid_argument, "no address");
  expect(net::connect(net::address(), {}).error() == std::errc::address_family_not_supported, "none either");
}

}  // namespace

TEST_CASE("several addresses race, and the first connection wins") {
  on_each_topology([](expectations& expect, unsigned) {
    const black_hole hole;
    auto door = net::listener::bind("127.0.0.1", 0).value();
    check_races(expect, hole, door.local());
  });
}

TEST_CASE("the same in a plain thread without a scheduler") {
  const auto before = csp_test::footprint::now();
  expectations expect;
  {
    const black_hole hole;
    auto door = net::listener::bind("127.0.0.1", 0).value();
    check_races(expect, hole, door.local());
  }
  expect.verify();
  CHECK(csp_test::footprint::now() == before);
}

TEST_CASE("families take turns") {
  if (!has_ipv6()) return;
  on_each_topology([](expectations& expect, unsigned) {
    const black_hole hole;
    auto four = net::listener::bind("127.0.0.1", 0).value();
    auto six = net::listener::bind("::1", 0).value();
    const std::vector<net::address> all{hole.where(), four.local(), six.local()};
    auto line = net::connect(all, within(10s, 10ms));
    expect(line && line->peer() == six.local(), "the other family comes second");
    const std::vector<net::address> other{six.local(), four.local()};
    line = net::connect(other, within(10s, 1h));
    expect(line && line->peer() == six.local(), "the first one that works, at once");
  });
}

TEST_CASE("a slow address that answers in the end wins if the others have failed") {
  on_each_topology([](expectations& expect, unsigned) {
    net::listen_options narrow;
    narrow.backlog = 0;
    const csp_test::temporary_folder folder;
    auto door = net::listener::bind("127.0.0.1", 0, narrow).value();
    std::vector<net::stream> fillers;
    for (;;) {
      auto filler = net::connect(door.local(), within(50ms, 1ms));
      if (!filler) break;
      fillers.push_back(std::move(*filler));
    }
    auto connecting = csp::spawn({"connecting"}, [&] {
      const std::vector<net::address> all{door.local(), refusing()};
      return net::connect(all, within(60s, 1ms)).has_value();
    });
    until_waiting("connecting");
    while (!fillers.empty()) {
      expect(door.accept().has_value(), "room");
      fillers.pop_back();
    }
    expect(connecting.join(), "the system's next try gets through");
  });
}

TEST_CASE("by name, by service, and to nobody") {
  on_each_topology([](expectations& expect, unsigned) {
    auto door = net::listener::bind("127.0.0.1", 0).value();
    const std::uint16_t port = door.local().port();
    expect(net::connect("localhost", port).has_value(), "by name");
    expect(net::connect("127.0.0.1", std::to_string(port)).has_value(), "with a service");
    expect(net::connect("no host has spaces", port).error().category() == net::resolver_category(), "no host");
    expect(net::connect("127.0.0.1", "no such service").error().category() == net::resolver_category(), "no service");
    expect(net::connect(refusing()).error() == std::errc::connection_refused, "refused, not timed out");
    expect(net::connect("localhost", port, within(-1s, 1ms)).error() == std::errc::timed_out, "no time for the name");
  });
}

TEST_CASE("a cancelled race leaves nothing behind") {
  on_each_topology([](expectations& expect, unsigned) {
    const black_hole hole;
    auto racing = csp::spawn({"racing"}, [&] {
      const std::vector<net::address> silent{hole.where(), hole.where(), hole.where()};
      static_cast<void>(net::connect(silent, within(1h, 1ms)));
    });
    auto single = csp::spawn({"single"}, [&] { static_cast<void>(net::connect(hole.where())); });
    until_waiting("racing");
    until_waiting("single");
    racing.cancel();
    single.cancel();
    int ended = 0;
    for (auto* const each : {&racing, &single}) {
      try {
        each->join();
      } catch (const csp::canceled&) {
        ++ended;
      }
    }
    expect(ended == 2, "both threw");
  });
}
