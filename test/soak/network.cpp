// csp::net over loopback: every byte comes back, every connection is counted on both sides.
#include "test/soak/scene.h"

#include <libcsp/net.h>

#include <atomic>
#include <chrono>
#include <string>
#include <utility>

namespace csp_test {
namespace {

using namespace std::chrono_literals;
namespace net = csp::net;

// Bounds what a round holds open at once.
constexpr unsigned most_clients = 12;

struct counts {
  std::atomic<std::size_t> accepted{0};
  std::atomic<std::size_t> connected{0};
  std::atomic<std::size_t> echoed{0};
  std::atomic<std::size_t> sent{0};
};

void echo(net::stream line, counts& all) {
  char buffer[4096];
  for (;;) {
    const auto count = line.read(buffer, sizeof buffer);
    if (!count || *count == 0 || line.write_all(buffer, *count)) {
      return;
    }
    all.echoed += *count;
  }
}

// Sends pieces of all sizes and gets them back; a reader may be at work beside the writer.
void talk(scene& here, const net::address& server, counts& all, dice chance) {
  auto line = net::connect(server);
  here.expect(bool{line}, "connected");
  if (!line) {
    return;
  }
  ++all.connected;
  const unsigned pieces = 1 + chance.below(static_cast<unsigned>(scaled(40)) + 1);
  for (unsigned i = 0; i < pieces; ++i) {
    std::string piece(1 + chance.below(chance.once_in(10) ? 200'000 : 2'000), ' ');
    for (char& each : piece) {
      each = static_cast<char>(chance.word());
    }
    std::string back(piece.size(), '\0');
    auto writer = csp::spawn([&] { return line->write_all(piece); });
    const std::error_code read = line->read_exactly(back.data(), back.size());
    here.expect(!writer.join() && !read && back == piece, "what was sent came back");
    all.sent += piece.size();
    if (chance.once_in(4)) {
      line->set_read_deadline(csp::clock::now() + std::chrono::microseconds(chance.below(500)));
      char more = 0;
      here.expect(line->read(&more, 1).error() == std::errc::timed_out, "nothing more comes, in time");
      line->set_read_deadline(csp::clock::time_point::max());
    }
  }
}

}  // namespace

void echo_over_loopback(scene& here) {
  auto server = net::listener::bind("127.0.0.1", 0);
  here.expect(bool{server}, "bound");
  if (!server) {
    return;
  }
  counts all;
  const unsigned acceptors = 1 + here.chance.below(3);
  csp::wait_group served;
  csp::wait_group accepting;
  for (unsigned i = 0; i < acceptors; ++i) {
    accepting.go([&] {
      while (auto line = server->accept()) {
        ++all.accepted;
        served.go([&all, own = std::move(*line)]() mutable { echo(std::move(own), all); });
      }
    });
  }
  {
    crowd clients(here);
    const unsigned count = 1 + here.chance.below(most_clients);
    for (unsigned i = 0; i < count; ++i) {
      clients.add([&, chance = dice(here.chance.word())] { talk(here, server->local(), all, chance); });
    }
  }
  served.wait();
  server->close();
  accepting.wait();
  here.expect(all.accepted == all.connected, "every connection was accepted");
  here.expect(all.echoed == all.sent && all.sent != 0, "every byte was echoed once");
}

void listeners_closed(scene& here) {
  for (std::size_t round = 0; round < scaled(10) + 1; ++round) {
    auto server = net::listener::bind("127.0.0.1", 0);
    here.expect(bool{server}, "bound");
    if (!server) {
      return;
    }
    std::atomic<unsigned> told{0};
    const unsigned waiting = 1 + here.chance.below(4);
    crowd people(here);
    for (unsigned i = 0; i < waiting; ++i) {
      people.add([&] { told += server->accept().error() == std::errc::bad_file_descriptor ? 1U : 0U; });
    }
    csp::sleep_for(std::chrono::microseconds(here.chance.below(300)));
    server->close();
    people.join();
    here.expect(told == waiting, "everybody who waited is told of the close");
  }
}

}  // namespace csp_test
