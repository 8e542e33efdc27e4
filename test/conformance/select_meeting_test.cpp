// Selects that meet: each other, themselves, rivals for the same value; and what the losing arms leave behind: nothing.
#include "test/conformance/crew.h"

#include <array>
#include <atomic>
#include <optional>

namespace {

using namespace std::chrono_literals;
using csp::chan;
using csp::on_recv;
using csp::on_send;
using csp::on_timeout;
using csp::op_status;
using csp_test::await;
using csp_test::crew;
using csp_test::expectations;
using csp_test::on_each_cast;
using csp_test::waiting_to_receive;
using csp_test::waiting_to_send;

bool deserted(const chan<int>& channel) {
  return waiting_to_receive(channel) == 0 && waiting_to_send(channel) == 0 &&
         channel.try_send(1) == op_status::would_block && channel.try_recv().status == op_status::would_block;
}

}  // namespace

TEST_CASE("meeting: a send and a receive arm of one select never pair with each other") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<int> channel;
    people.add([&] {
      const auto nothing = [&](auto&&...) { expect(false, "it met itself"); };
      expect(csp::select(on_send(channel, 1, nothing), on_recv(channel, nothing), csp::otherwise()) == 2, "polling");
      expect(csp::select(on_send(channel, 1, nothing), on_recv(channel, nothing), on_timeout(2ms)) == 2, "waiting");
    });
    people.join();
    expect(deserted(channel), "nothing is left");
    for (const bool send : {false, true}) {
      std::atomic<int> chosen{-1};
      people.add([&] { chosen = csp::select(on_send(channel, 5), on_recv(channel)); });
      await([&] { return waiting_to_send(channel) == 1 && waiting_to_receive(channel) == 1; });
      expect(chosen == -1, "it waits for somebody else");
      people.add([&] { send ? channel.send(6) : expect(channel.recv() == 5, "its value"); });
      people.join();
      expect(chosen == (send ? 1 : 0), "the arm that met another");
      expect(deserted(channel), "its other arm has gone");
    }
  });
}

TEST_CASE("meeting: two selects, one sending and one receiving on an unbuffered channel, meet") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<int> channel;
    const chan<int> a;
    const chan<int> b;
    for (int i = 0; i < 20; ++i) {
      people.add([&, i] { expect(csp::select(on_recv(a), on_send(channel, i), on_timeout(1h)) == 1, "sent"); });
      people.add([&, i] {
        std::optional<int> got;
        expect(csp::select(on_recv(channel, [&](std::optional<int> value) { got = value; }), on_send(b, 1)) == 0,
               "received");
        expect(got == i, "the value");
      });
      people.join();
    }
    expect(deserted(channel) && deserted(a) && deserted(b), "nothing is left");
  });
}

TEST_CASE(
    "meeting: two selects that both send and receive on two channels, in opposite order, do not lock each other") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<int> one;
    const chan<int> two;
    const std::size_t rounds = csp_test::scaled(500);
    std::array<std::atomic<std::size_t>, 2> sent{};
    std::array<std::atomic<std::size_t>, 2> received{};
    for (int side = 0; side < 2; ++side) {
      people.add([&, side, rounds] {
        const chan<int>& near = side == 0 ? one : two;
        const chan<int>& far = side == 0 ? two : one;
        for (std::size_t i = 0; i < rounds; ++i) {
          const int chosen = csp::select(on_send(near, 1), on_recv(far), on_recv(near), on_send(far, 1));
          const bool is_near = chosen == 0 || chosen == 2;
          const std::size_t which = is_near == (side == 0) ? 0 : 1;
          ++(chosen == 0 || chosen == 3 ? sent : received)[which];
        }
      });
    }
    people.join();  // each round of one is a round of the other, or somebody would wait for ever
    expect(sent[0] == received[0] && sent[1] == received[1], "each send had its receive");
    expect(deserted(one) && deserted(two), "nothing is left");
  });
}

TEST_CASE("meeting: the same channel may stand in several arms; one of them is done") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<int> channel;
    std::array<std::atomic<int>, 3> handled{};
    people.add([&] {
      const auto count = [&](std::size_t arm) { return [&handled, arm](std::optional<int> v) { handled[arm] += *v; }; };
      for (int i = 0; i < 50; ++i) {
        csp::select(on_recv(channel, count(0)), on_recv(channel, count(1)), on_recv(channel, count(2)));
      }
    });
    await([&] { return waiting_to_receive(channel) == 3; });
    people.add([&] {
      for (int i = 0; i < 50; ++i) {
        csp::select(on_send(channel, 1), on_send(channel, 1));
      }
    });
    people.join();
    expect(handled[0] + handled[1] + handled[2] == 50, "each value was received once");
    expect(deserted(channel), "nothing is left");
  });
}

TEST_CASE("meeting: losers leave nothing behind, in whatever way the select ends") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<int> quiet;
    const chan<int> busy(1);
    people.add([&] {
      for (int i = 0; i < 10; ++i) {
        expect(csp::select(on_recv(quiet), on_send(quiet, 1), on_timeout(200us)) == 2, "by a timeout");
        expect(csp::select(on_recv(quiet), on_send(quiet, 1), on_send(busy, i)) == 2, "by a ready arm");
        expect(csp::select(on_recv(quiet), on_send(quiet, 1), on_recv(busy)) == 2, "by a ready arm");
        expect(csp::select(on_recv(quiet), on_send(quiet, 1), csp::otherwise()) == 2, "by default");
        expect(deserted(quiet), "nothing is left");
      }
    });
    people.join();
    for (int i = 0; i < 10; ++i) {
      people.add([&] { expect(csp::select(on_recv(quiet), on_send(quiet, 1), on_recv(busy)) == 2, "after a wait"); });
      await([&] { return waiting_to_receive(busy) == 1; });
      busy.send(i);
      people.join();
      expect(deserted(quiet), "nothing is left");
    }
  });
}

TEST_CASE("meeting: many selects and plain operations share channels; every value arrives exactly once") {
  on_each_cast([](expectations& expect, crew& people) {
    const std::array<chan<std::size_t>, 3> channels{chan<std::size_t>(), chan<std::size_t>(1), chan<std::size_t>()};
    const chan<void> end;
    const std::size_t each = csp_test::scaled(400);
    constexpr std::size_t senders = 4;
    std::atomic<std::size_t> sum{0};
    std::atomic<std::size_t> count{0};
    std::atomic<std::size_t> left{senders};
    for (std::size_t s = 0; s < senders; ++s) {
      people.add([&, s] {
        for (std::size_t i = 0; i < each; ++i) {
          const std::size_t value = s * each + i;
          if (i % 3 == 0) {
            channels[i % 2].send(value);
          } else {
            csp::select(on_send(channels[0], value), on_send(channels[1], value), on_send(channels[2], value));
          }
        }
        if (--left == 0) {
          end.close();
        }
      });
      people.add([&] {
        bool ended = false;
        const auto take = [&](std::optional<std::size_t> value) {
          sum += *value;
          ++count;
        };
        // After the end a value may lie in the buffer: once more without waiting.
        while (!ended) {
          csp::select(on_recv(channels[2], take), on_recv(channels[0], take), on_recv(end, [&](bool) { ended = true; }),
                      on_recv(channels[1], take));
        }
        while (csp::select(on_recv(channels[1], take), csp::otherwise()) == 0) {
        }
      });
    }
    people.join();
    const std::size_t all = senders * each;
    expect(count == all && sum == all * (all - 1) / 2, "count and sum are exact");
  });
}
