// Closing while many wait, come and go.
#include "test/sim/seeds.h"

#include <atomic>
#include <chrono>
#include <optional>
#include <vector>

using namespace std::chrono_literals;
using csp::testing::check;
using csp_test::on_seeds;

namespace {

constexpr std::uint64_t seeds = 10'000;

}  // namespace

TEST_CASE("sim, close with many receivers: all are told, and what was sent is received once") {
  on_seeds(seeds, [] {
    const csp::chan<int> channel(1);
    int received = 0;
    int told = 0;
    csp::wait_group all;
    for (int i = 0; i < 5; ++i) {
      all.go([&, i] {
        if (i % 2 == 0) {
          while (const auto value = channel.recv()) received += *value;
        } else {
          bool open = true;
          while (open) {
            csp::select(csp::on_recv(channel,
                                     [&](std::optional<int> value) {
                                       open = value.has_value();
                                       received += value.value_or(0);
                                     }),
                        csp::on_timeout(1h));
          }
        }
        ++told;
      });
    }
    int sent = 0;
    for (int i = 1; i <= 4; ++i) {
      all.go([&, i] {
        try {
          channel.send(i);
          sent += i;
        } catch (const csp::closed_channel&) {
        }
      });
    }
    csp::yield();
    check(channel.close(), "the first close");
    all.wait();
    check(told == 5, "every receiver has come to the end");
    check(sent == received, "what was sent was received");
  });
}

TEST_CASE("sim, close with many senders: each is refused once and keeps its value, or was received") {
  on_seeds(seeds, [] {
    const csp::chan<int> channel;
    int refused = 0;
    int sent = 0;
    csp::wait_group all;
    for (int i = 0; i < 4; ++i) {
      all.go([&, i] {
        try {
          i % 2 == 0 ? channel.send(1) : static_cast<void>(csp::select(csp::on_send(channel, 1)));
          ++sent;
        } catch (const csp::closed_channel&) {
          ++refused;
        }
      });
    }
    all.go([&] { static_cast<void>(channel.recv()); });
    all.go([&] { channel.close(); });
    all.wait();
    check(sent + refused == 4 && sent <= 1, "each has one answer");
  });
}

TEST_CASE("sim, many close at once: one is the first") {
  on_seeds(seeds, [] {
    const csp::chan<void> gate;
    int first = 0;
    int passed = 0;
    csp::wait_group all;
    for (int i = 0; i < 3; ++i) {
      all.go([&] { first += gate.close() ? 1 : 0; });
      all.go([&] {
        check(!gate.recv(), "nothing was sent");
        ++passed;
      });
    }
    all.wait();
    check(first == 1 && passed == 3, "one close, and all pass");
  });
}
