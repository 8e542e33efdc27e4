// csp::net's connections: streams, listeners, connect.
#include <libcsp/net.h>

#include "test/support/topologies.h"

#include <chrono>
#include <string>

using namespace std::chrono_literals;
using csp_test::expectations;
using csp_test::on_each_topology;
namespace net = csp::net;

TEST_CASE("an echo server serves many clients at once") {
  on_each_topology([](expectations& expect, unsigned) {
    auto server = net::listener::bind("127.0.0.1", 0).value();
    auto acceptor = csp::spawn([&] {
      csp::wait_group served;
      for (;;) {
        auto connection = server.accept();
        if (!connection) {
          served.wait();
          return connection.error();
        }
        served.go([line = std::move(*connection)]() mutable {
          char buffer[256];
          for (;;) {
            const auto count = line.read(buffer, sizeof buffer);
            if (!count || *count == 0 || line.write_all(buffer, *count)) break;
          }
        });
      }
    });
    csp::wait_group clients;
    for (int i = 0; i < 20; ++i) {
      clients.go([&, i] {
        auto line = net::connect("127.0.0.1", server.local().port());
        expect(bool{line}, "connected");
        if (!line) return;
        expect(line->peer() == server.local(), "to the server");
        for (int round = 0; round < 50; ++round) {
          const std::string text = std::to_string(i) + ":" + std::to_string(round);
          expect(!line->write_all(text), "sent");
          std::string answer(text.size(), ' ');
          expect(!line->read_exactly(answer.data(), answer.size()) && answer == text, "echoed");
        }
      });
    }
    clients.wait();
    server.close();
    expect(acceptor.join() == std::errc::bad_file_descriptor, "close ends accept");
  });
}
