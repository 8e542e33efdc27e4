// Timers that race wakes: an operation with a limit has one outcome, and its partner is told the same one.
#include "test/sim/seeds.h"

#include <chrono>
#include <memory>
#include <optional>

using namespace std::chrono_literals;
using csp::testing::check;
using csp_test::on_seeds;

namespace {

constexpr std::uint64_t seeds = 10'000;

}  // namespace

TEST_CASE("sim, a receive that times out while it is sent to") {
  on_seeds(seeds, [] {
    const csp::chan<std::unique_ptr<int>> channel;
    auto receiver = csp::spawn([&] { return channel.recv_for(1ms).status; });
    auto value = std::make_unique<int>(1);
    csp::sleep_for(1ms);
    const csp::op_status sent = channel.try_send(std::move(value));
    const csp::op_status received = receiver.join();
    check((sent == csp::op_status::ok) == (received == csp::op_status::ok), "both tell the same");
    check((sent == csp::op_status::ok) == (value == nullptr), "the value is in one place");
  });
}

TEST_CASE("sim, a send and a receive whose limits end at the same time") {
  on_seeds(seeds, [] {
    const csp::chan<int> channel;
    auto receiver = csp::spawn([&] {
      csp::sleep_for(1ms);
      return channel.recv_for(1ms).status == csp::op_status::ok;
    });
    auto sender = csp::spawn([&] { return channel.send_for(1, 2ms) == csp::op_status::ok; });
    auto chooser = csp::spawn([&] {
      bool got = false;
      csp::sleep_for(2ms);
      csp::select(csp::on_recv(channel, [&](std::optional<int>) { got = true; }), csp::on_timeout(0ms));
      return got;
    });
    const int received = (receiver.join() ? 1 : 0) + (chooser.join() ? 1 : 0);
    check(received == (sender.join() ? 1 : 0), "what was sent was received, once");
  });
}

TEST_CASE("sim, a timeout does not end the next wait") {
  on_seeds(seeds, [] {
    const csp::chan<int> channel;
    auto waiter = csp::spawn([&] {
      for (int i = 0; i < 3; ++i) {
        static_cast<void>(channel.recv_for(1ms));
        const auto before = csp::clock::now();
        csp::sleep_for(5ms);
        check(csp::clock::now() - before >= 5ms, "the sleep lasts as long as it should");
      }
    });
    for (int i = 0; i < 3; ++i) {
      csp::sleep_for(1ms);
      static_cast<void>(channel.try_send(i));
      csp::sleep_for(5ms);
    }
    waiter.join();
  });
}

TEST_CASE("sim, a ticker that is stopped and set again beside its ticks") {
  on_seeds(seeds, [] {
    csp::ticker beat(1ms);
    const csp::receiver<csp::clock::time_point> ticks = beat.channel();
    auto listener = csp::spawn([&] {
      int heard = 0;
      while (csp::select(csp::on_recv(ticks), csp::on_timeout(10ms)) == 0) ++heard;
      return heard;
    });
    csp::sleep_for(1ms);
    beat.stop();
    beat.reset(1ms);
    csp::sleep_for(3ms);
    beat.stop();
    // Before the first stop one, after it three, and one may have been lost to a slow listener.
    check(listener.join() <= 4, "no tick comes from nowhere");
    check(csp::select(csp::on_recv(ticks), csp::on_timeout(5ms)) == 1, "none comes after stop");
  });
}
