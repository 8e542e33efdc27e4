// csp::net::address, result and resolve.
#include "test/support/net.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <thread>

using namespace std::chrono_literals;
using csp_test::expectations;
using csp_test::on_each_topology;
namespace net = csp::net;

TEST_CASE("addresses are read from text and written as text") {
  const auto text_of = [](const char* text, std::uint16_t port) {
    return net::address::parse(text, port)->to_string();
  };
  CHECK(text_of("1.2.3.4", 80) == "1.2.3.4:80");
  CHECK(text_of("::1", 65535) == "[::1]:65535");
  CHECK(text_of("[2001:DB8::0:7]", 1) == "[2001:db8::7]:1");
  CHECK(text_of("fe80::1%1", 2) == "[fe80::1%1]:2");
  CHECK(text_of("fe80::1%lo", 2) == "[fe80::1%1]:2");
  CHECK(text_of("0.0.0.0", 0) == "0.0.0.0:0");
  for (const char* bad : {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "::1::", "[1.2.3.4", "localhost", "1.2.3.4 ",
                          " 1.2.3.4", "fe80::1%", "fe80::1%no-such-if", "1.2.3.4%1", "[]"}) {
    CAPTURE(bad);
    CHECK(net::address::parse(bad, 1).error() == std::errc::invalid_argument);
  }
  CHECK(net::address::parse(std::string_view("1.2.3.4\0x", 9), 1).error() == std::errc::invalid_argument);
  CHECK(net::address().to_string().empty());
  CHECK(!net::address());
}

TEST_CASE("ports and equality") {
  const auto one = net::address::parse("10.0.0.1", 5).value();
  CHECK(one.port() == 5);
  CHECK(one.family() == AF_INET);
  CHECK(one.native_length() == sizeof(sockaddr_in));
  CHECK(one == net::address::parse("10.0.0.1", 5).value());
  CHECK(one != net::address::parse("10.0.0.1", 6).value());
  CHECK(one != net::address::parse("10.0.0.2", 5).value());
  CHECK(one.with_port(6) == net::address::parse("10.0.0.1", 6).value());
  const auto six = net::address::parse("fe80::1%1", 5).value();
  CHECK(six.port() == 5);
  CHECK(six == net::address::parse("fe80::1%lo", 5).value());
  CHECK(six != net::address::parse("fe80::1", 5).value());
  CHECK(six.with_port(9).port() == 9);
  CHECK(one != six);
  CHECK(net::address() == net::address());
}

TEST_CASE("unix addresses: paths, names in the abstract namespace, none") {
  const auto path = net::address::unix_path("/tmp/some.sock").value();
  CHECK(path.to_string() == "/tmp/some.sock");
  CHECK(path.path() == "/tmp/some.sock");
  CHECK(path.port() == 0);
  CHECK(path.with_port(4) == path);
  CHECK(path == net::address::unix_path("/tmp/some.sock").value());
  CHECK(path != net::address::unix_path("/tmp/other.sock").value());
  const auto name = net::address::unix_abstract("some").value();
  CHECK(name.to_string() == "@some");
  CHECK(name.path().empty());
  CHECK(name != net::address::unix_path("some").value());
  CHECK(net::address::unix_abstract(std::string(107, 'x')).has_value());
  CHECK(net::address::unix_abstract(std::string(108, 'x')).error() == std::errc::filename_too_long);
  CHECK(net::address::unix_path(std::string(107, 'x')).has_value());
  CHECK(net::address::unix_path(std::string(108, 'x')).error() == std::errc::filename_too_long);
  CHECK(net::address::unix_path("").error() == std::errc::invalid_argument);
  CHECK(net::address::unix_path(std::string_view("a\0b", 3)).error() == std::errc::invalid_argument);
  sockaddr_un unnamed{};
  unnamed.sun_family = AF_UNIX;
  CHECK(net::address::from_native(reinterpret_cast<sockaddr*>(&unnamed), 2)->to_string() == "unix:");
}

TEST_CASE("only whole addresses of known families are taken from the system's form") {
  sockaddr_storage bytes{};
  auto* const native = reinterpret_cast<sockaddr*>(&bytes);
  bytes.ss_family = AF_INET;
  CHECK(net::address::from_native(native, sizeof(sockaddr_in)).has_value());
  CHECK(net::address::from_native(native, sizeof(sockaddr_in) - 1).error() == std::errc::invalid_argument);
  CHECK(net::address::from_native(native, 0).error() == std::errc::invalid_argument);
  CHECK(net::address::from_native(nullptr, sizeof(sockaddr_in)).error() == std::errc::invalid_argument);
  bytes.ss_family = AF_PACKET;
  CHECK(net::address::from_native(native, sizeof bytes).error() == std::errc::invalid_argument);
}

TEST_CASE("a result holds a value or an error") {
  net::result<std::unique_ptr<int>> good(std::make_unique<int>(3));
  CHECK((good && good.has_value() && !good.error()));
  CHECK(**good == 3);
  CHECK(*std::move(good).value() == 3);
  net::result<int> bad(std::make_error_code(std::errc::timed_out));
  CHECK((!bad && bad.error() == std::errc::timed_out));
  CHECK(bad.value_or(7) == 7);
  CHECK_THROWS_AS(bad.value(), std::system_error);
  const std::error_code end = net::errc::end_of_stream;
  CHECK(end.message() == "unexpected end of stream");
  CHECK(std::string(end.category().name()) == "csp.net");
  CHECK(net::resolver_category().message(EAI_NONAME) == gai_strerror(EAI_NONAME));
}

TEST_CASE("numbers are resolved at once, names by the system") {
  on_each_topology([](expectations& expect, unsigned) {
    const auto number = net::resolve("127.0.0.1", 80);
    expect(number && number->size() == 1 && number->front().to_string() == "127.0.0.1:80", "a number");
    expect(net::resolve("::1", "443").value().front().to_string() == "[::1]:443", "and of IPv6");
    const auto name = net::resolve("localhost", 80);
    expect(bool{name}, "the machine's own name");
    for (const auto& each : name.value()) {
      expect(each.port() == 80 && (each.family() == AF_INET || each.family() == AF_INET6), "with the port");
      expect(each.to_string() == "127.0.0.1:80" || each.to_string() == "[::1]:80", "loopback");
    }
    expect(!net::resolve("", 80).value().empty(), "an empty host is this machine");
    const auto zero = net::resolve(std::string_view("local\0host", 10), "80");
    expect(zero.error() == std::error_code(EAI_NONAME, net::resolver_category()), "a zero byte is no part of a name");
    const auto service = net::resolve("127.0.0.1", "no such service");
    expect(service.error() == std::error_code(EAI_SERVICE, net::resolver_category()), "no such service");
    expect(net::resolve("no host has spaces", 80).error().category() == net::resolver_category(), "no such host");
    expect(net::resolve("127.0.0.1", 80, std::chrono::steady_clock::time_point{}).has_value(), "no time is needed");
    expect(net::resolve("localhost", 80, std::chrono::steady_clock::now() - 1s).error() == std::errc::timed_out,
           "and none is left");
  });
}

TEST_CASE("a plain thread resolves without a scheduler, and a cancelled task does not") {
  CHECK(net::resolve("localhost", 80).has_value());
  on_each_topology([](expectations& expect, unsigned) {
    std::atomic<bool> go_on{false};
    auto task = csp::spawn([&] {
      while (!go_on.load()) {
        const csp::shield held;
        csp::yield();
      }
      static_cast<void>(net::resolve("localhost", 80));
    });
    task.cancel();
    go_on = true;
    bool ended = false;
    try {
      task.join();
    } catch (const csp::canceled&) {
      ended = true;
    }
    expect(ended, "it is a cancellation point");
  });
}
