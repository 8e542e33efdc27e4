// Each operation of csp::net that waits is a cancellation point.
#include "test/support/net.h"

#include <chrono>
#include <functional>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using csp_test::expectations;
using csp_test::on_each_topology;
using csp_test::tcp_line;
using csp_test::until_waiting;
namespace net = csp::net;

namespace {

template <class Task>
bool was_cancelled(Task& task) {
  try {
    static_cast<void>(task.join());
    return false;
  } catch (const csp::canceled&) {
    return true;
  }
}

}  // namespace

TEST_CASE("a cancelled task leaves whatever it waits in, and the socket stays usable") {
  on_each_topology([](expectations& expect, unsigned) {
    tcp_line line;
    auto door = net::listener::bind("127.0.0.1", 0).value();
    auto box = net::udp::bind("127.0.0.1", 0).value();
    const std::string much = csp_test::pattern(10'000'000);
    auto full = net::pair().value();
    while (::send(full.first.native_handle(), much.data(), 4096, MSG_NOSIGNAL) > 0) {
    }
    char byte = 0;
    std::size_t sent = 0;
    const iovec piece{&byte, 1};
    const std::vector<std::function<void()>> operations = {
        [&] { static_cast<void>(line.client.read(&byte, 1)); },
        [&] {
          static_cast<void>(line.client.readv({&piece, 1}));
        },
        [&] { static_cast<void>(line.client.read_exactly(&byte, 1)); },
        [&] { static_cast<void>(line.client.write_all(much, &sent)); },
        [&] { static_cast<void>(door.accept()); },
        [&] { static_cast<void>(box.receive(&byte, 1)); },
        [&] { static_cast<void>(box.receive_from(&byte, 1)); },
        [&] { csp::select(csp::on_readable(line.client.native_handle())); },
        [&] { csp::select(csp::on_writable(full.first.native_handle())); },
    };
    for (const auto& operation : operations) {
      auto task = csp::spawn({"waits"}, operation);
      until_waiting("waits");
      task.cancel();
      expect(was_cancelled(task), "it threw");
      std::atomic<bool> asked{false};
      const std::size_t told = sent;
      auto asked_before = csp::spawn([&] {
        while (!asked.load()) {
          const csp::shield held;
          csp::yield();
        }
        operation();
      });
      csp::yield();  // so that it most often has started
      asked_before.cancel();
      asked = true;
      expect(was_cancelled(asked_before), "also when it was asked before it came there");
      sent = told;
    }
    expect(sent > 0 && sent < much.size(), "a part of the write is told");
    std::string got(sent, ' ');
    expect(!line.server.read_exactly(got.data(), got.size()), "and has come");
    expect(!line.server.write_all("x") && line.client.read(&byte, 1).value() == 1, "reading works");
    auto client = net::connect(door.local());
    expect(door.accept().has_value(), "so does accept");
  });
}

TEST_CASE("in a shield operations wait on") {
  on_each_topology([](expectations& expect, unsigned) {
    tcp_line line;
    auto task = csp::spawn({"waits"}, [&] {
      const csp::shield held;
      char byte = 0;
      return line.client.read(&byte, 1).value();
    });
    until_waiting("waits");
    task.cancel();
    for (int i = 0; i < 20; ++i) csp::yield();
    expect(!line.server.write_all("x"), "the byte");
    expect(task.join() == 1, "came");
  });
}

TEST_CASE("tasks that still wait for the network end with the run") {
  tcp_line line;
  auto door = net::listener::bind("127.0.0.1", 0).value();
  for (const unsigned processors : {1U, 2U, 4U, 8U}) {
    csp::options options;
    options.processors = processors;
    csp::run(options, [&] {
      for (int i = 0; i < 10; ++i) {
        csp::go({"waits"}, [&] {
          char byte = 0;
          static_cast<void>(line.client.read(&byte, 1));
        });
        csp::go({"waits"}, [&] { static_cast<void>(door.accept()); });
      }
      until_waiting("waits", 20);
    });
    CHECK(csp::tasks().empty());
  }
}
