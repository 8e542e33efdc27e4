// Datagrams.
#include "test/support/net.h"

#include <chrono>
#include <string>

using namespace std::chrono_literals;
using csp_test::expectations;
using csp_test::on_each_topology;
using csp_test::until_waiting;
namespace net = csp::net;

TEST_CASE("datagrams to and fro, with their senders") {
  on_each_topology([](expectations& expect, unsigned) {
    for (const char* host : {"127.0.0.1", "::1"}) {
      auto server = net::udp::bind(host, 0);
      if (!server && server.error() == std::errc::address_not_available) continue;  // no IPv6 here
      expect(server && server->local().port() != 0, "bound");
      auto echo = csp::spawn({"echo"}, [&] {
        char buffer[100];
        for (;;) {
          const auto got = server->receive_from(buffer, sizeof buffer);
          if (!got) return got.error();
          expect(server->send_to(buffer, got->size, got->from).value() == got->size, "sent back");
        }
      });
      auto client = net::udp::bind(host, 0).value();
      char buffer[100];
      for (const std::string text : {"one", "", "three"}) {
        expect(client.send_to(text, server->local()).value() == text.size(), "sent");
        const auto got = client.receive_from(buffer, sizeof buffer).value();
        expect(got.size == text.size() && std::string(buffer, got.size) == text, "echoed");
        expect(got.from == server->local() && !got.truncated, "by the server");
      }
      auto line = net::udp::connect(host, server->local().port()).value();
      expect(line.peer() == server->local() && !server->peer(), "a peer of its own");
      expect(line.send("four").value() == 4 && line.receive(buffer, sizeof buffer).value() == 4, "connected");
      server->close();
      expect(echo.join() == std::errc::bad_file_descriptor, "closed");
    }
  });
}

TEST_CASE("what does not fit is cut and said so; what is too long is not sent") {
  on_each_topology([](expectations& expect, unsigned) {
    auto box = net::udp::bind("", 0).value();
    const auto to = net::address::parse("127.0.0.1", box.local().port()).value();
    auto sender = net::udp::connect(to).value();
    char small[4];
    expect(sender.send("too long").value() == 8, "sent");
    const auto cut = box.receive_from(small, sizeof small).value();
    expect(cut.size == 4 && cut.truncated && std::string(small, 4) == "too ", "cut");
    expect(sender.send("fits").value() == 4, "sent");
    const auto whole = box.receive_from(small, sizeof small).value();
    expect(whole.size == 4 && !whole.truncated, "the next one is whole");
    expect(sender.send("too long").value() == 8 && box.receive(small, sizeof small).value() == 4,
           "receive() says less");
    expect(sender.send(std::string(70'000, 'x')).error() == std::errc::message_size, "too long");
    expect(box.send("nobody").error() == std::errc::destination_address_required, "not connected");
  });
}

TEST_CASE("a refused datagram is reported by a later call") {
  on_each_topology([](expectations& expect, unsigned) {
    auto box = net::udp::bind("127.0.0.1", 0).value();
    auto sender = net::udp::connect(box.local()).value();
    box.close();
    auto reader = csp::spawn({"reader"}, [&] {
      char byte = 0;
      return sender.receive(&byte, 1).error();
    });
    until_waiting("reader");
    expect(sender.send("x").value() == 1, "it goes out");
    expect(reader.join() == std::errc::connection_refused, "and nobody is there");
  });
}

TEST_CASE("several receivers of one socket get each datagram once") {
  on_each_topology([](expectations& expect, unsigned) {
    auto box = net::udp::bind("127.0.0.1", 0).value();
    auto sender = net::udp::connect(box.local()).value();
    const int messages = static_cast<int>(csp_test::scaled(2000));
    std::atomic<int> got{0};
    csp::wait_group receivers;
    for (int i = 0; i < 4; ++i) {
      receivers.go([&] {
        int number = 0;
        while (box.receive(&number, sizeof number)) got.fetch_add(1);
      });
    }
    for (int i = 0; i < messages; ++i) {
      while (i - got.load() > 50) csp::yield();  // no more than the socket's buffer holds
      expect(sender.send(&i, sizeof i).value() == sizeof i, "sent");
    }
    while (got.load() < messages) csp::yield();
    box.close();
    receivers.wait();
    expect(got.load() == messages, "each once");
  });
}

TEST_CASE("errors of making one") {
  CHECK(net::udp::bind("192.0.2.1", 0).error() == std::errc::address_not_available);
  CHECK(net::udp::bind("no host has spaces", 0).error().category() == net::resolver_category());
  CHECK(net::udp::connect("no host has spaces", 1).error().category() == net::resolver_category());
  CHECK(net::udp::connect(net::address()).error() == std::errc::address_family_not_supported);
  net::udp none;
  char byte = 0;
  CHECK(none.receive(&byte, 1).error() == std::errc::bad_file_descriptor);
  CHECK(none.send("x").error() == std::errc::bad_file_descriptor);
  CHECK(none.receive_from(&byte, 1).error() == std::errc::bad_file_descriptor);
}
