// The Go Programming Language Specification, "Close". Titles name the clauses; docs/conformance.md lists them.
#include "test/conformance/crew.h"

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>

namespace {

using csp::chan;
using csp::closed_channel;
using csp::op_status;
using csp::sender;
using csp_test::await;
using csp_test::crew;
using csp_test::expectations;
using csp_test::on_each_cast;
using csp_test::throws;
using csp_test::waiting_to_receive;
using csp_test::waiting_to_send;

constexpr int many = 12;

template <class Handle>
concept closes = requires(const Handle& handle) {
  handle.close();
};

}  // namespace

TEST_CASE("go spec, Close: records that no more values will be sent") {
  const chan<int> channel(1);
  CHECK_FALSE(channel.is_closed());
  CHECK(sender<int>(channel).close());
  CHECK(channel.is_closed());
  CHECK(sender<int>(channel).is_closed());
  CHECK(csp::receiver<int>(channel).is_closed());
}

TEST_CASE("go spec, Close: sending to a closed channel throws; closing it again returns false, where Go panics") {
  const chan<int> channel;
  CHECK(channel.close());
  CHECK_FALSE(channel.close());
  CHECK_FALSE(sender<int>(channel).close());
  CHECK(channel.is_closed());
  CHECK_THROWS_AS(channel.send(1), closed_channel);
  const chan<void> signals;
  CHECK(signals.close());
  CHECK_FALSE(signals.close());
  CHECK_THROWS_AS(signals.send(), closed_channel);
}

TEST_CASE("go spec, Close: closing a nil channel throws, where Go panics") {
  CHECK_THROWS_AS(chan<int>(csp::nil).close(), std::logic_error);
  CHECK_THROWS_AS(sender<int>().close(), std::logic_error);
  CHECK_THROWS_AS(sender<void>().close(), std::logic_error);
}

TEST_CASE("go spec, Close: a channel that may only be received from cannot be closed") {
  STATIC_REQUIRE(closes<chan<int>>);
  STATIC_REQUIRE(closes<sender<int>>);
  STATIC_REQUIRE_FALSE(closes<csp::receiver<int>>);
  STATIC_REQUIRE_FALSE(closes<csp::receiver<void>>);
}

TEST_CASE("go spec, Close: when what was sent has been received, receives end at once and say so") {
  on_each_cast([](expectations& expect, crew& people) {
    for (const std::size_t capacity : {0U, 2U}) {
      const chan<int> channel(capacity);
      for (std::size_t i = 0; i < capacity; ++i) {
        channel.send(7);
      }
      channel.close();
      people.add([&] {
        for (std::size_t i = 0; i < capacity; ++i) {
          expect(channel.recv() == 7, "sent before the close");
        }
        for (int again = 0; again < 3; ++again) {
          expect(!channel.recv().has_value(), "the end, without blocking");
        }
      });
      people.join();
    }
  });
}

TEST_CASE("close: of many that close at once, exactly one is told true") {
  on_each_cast([](expectations& expect, crew& people) {
    for (std::size_t round = 0; round < csp_test::scaled(20); ++round) {
      const chan<int> channel;
      std::atomic<int> winners{0};
      for (int i = 0; i < 4; ++i) {
        people.add([&] { winners += channel.close() ? 1 : 0; });
      }
      people.join();
      expect(winners == 1, "one");
    }
  });
}

TEST_CASE("close: wakes every receiver that waits") {
  on_each_cast([](expectations& expect, crew& people) {
    for (const std::size_t capacity : {0U, 2U}) {
      const chan<int> channel(capacity);
      std::atomic<int> ended{0};
      std::atomic<int> counted{0};
      for (int i = 0; i < many; ++i) {
        people.add([&, i] {
          using namespace std::chrono_literals;
          int value = 0;
          switch (i % 4) {
            case 0:
              ended += channel.recv() ? 0 : 1;
              break;
            case 1:
              ended += channel.recv_for(value, 1h) == op_status::closed ? 1 : 0;
              break;
            case 2:
              ended += throws<closed_channel>([&] { channel >> value; }) ? 1 : 0;
              break;
            default:
              for (const int unexpected : channel) {
                static_cast<void>(unexpected);
                --ended;
              }
              ++ended;
          }
          ++counted;
        });
      }
      await([&] { return waiting_to_receive(channel) == many; });
      expect(counted == 0, "all wait");
      expect(channel.close(), "the close");
      expect(waiting_to_receive(channel) == 0, "close leaves nobody waiting");
      people.join();
      expect(ended == many, "each is told that there is nothing more");
    }
  });
}

TEST_CASE("close: wakes every sender that waits; each keeps its value, what was buffered is received") {
  on_each_cast([](expectations& expect, crew& people) {
    for (const std::size_t capacity : {0U, 2U}) {
      const chan<std::unique_ptr<int>> channel(capacity);
      for (std::size_t i = 0; i < capacity; ++i) {
        channel.send(std::make_unique<int>(static_cast<int>(i)));
      }
      std::atomic<int> kept{0};
      for (int i = 0; i < many; ++i) {
        people.add([&, i] {
          using namespace std::chrono_literals;
          auto value = std::make_unique<int>(100 + i);
          const bool refused = i % 2 == 0 ? throws<closed_channel>([&] { channel.send(std::move(value)); })
                                          : channel.send_for(std::move(value), 1h) == op_status::closed;
          kept += refused && value != nullptr && *value == 100 + i ? 1 : 0;
        });
      }
      await([&] { return waiting_to_send(channel) == many; });
      expect(channel.close(), "the close");
      people.join();
      expect(kept == many, "each is refused and keeps its value");
      for (std::size_t i = 0; i < capacity; ++i) {
        const auto value = channel.recv();
        expect(value && **value == static_cast<int>(i), "what was sent is received");
      }
      expect(!channel.recv(), "and no more");
    }
  });
}

TEST_CASE("close: fires every select that is blocked on the channel, once") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<int> channel;
    const chan<int> outlet;
    const chan<int> quiet;
    std::atomic<int> receive_arms{0};
    std::atomic<int> send_arms{0};
    std::atomic<int> others{0};
    for (int i = 0; i < many; ++i) {
      people.add([&, i] {
        using namespace std::chrono_literals;
        try {
          int chosen = 0;
          const auto at_end = [&](std::optional<int> value) { receive_arms += value ? 0 : 1; };
          switch (i % 3) {
            case 0:
              chosen = csp::select(csp::on_recv(quiet), csp::on_recv(channel, at_end), csp::on_timeout(1h));
              others += chosen == 1 ? 0 : 1;
              break;
            case 1:
              csp::select(csp::on_recv(quiet), csp::on_send(outlet, i));
              ++others;
              break;
            default:  // twice in one select
              chosen = csp::select(csp::on_recv(channel, at_end), csp::on_recv(channel, at_end));
              others += chosen == 0 || chosen == 1 ? 0 : 1;
          }
        } catch (const closed_channel&) {
          ++send_arms;
        }
      });
    }
    await([&] { return waiting_to_receive(channel) == many && waiting_to_send(outlet) == many / 3; });
    channel.close();
    outlet.close();
    people.join();
    expect(receive_arms == 2 * many / 3, "every receive arm's handler ran once, with nothing");
    expect(send_arms == many / 3, "every send arm threw closed_channel");
    expect(others == 0, "no other arm ran");
    expect(waiting_to_receive(quiet) == 0, "the losers have gone");
  });
}

TEST_CASE("close: of a channel that is in use lets each value arrive or stay, never both") {
  on_each_cast([](expectations& expect, crew& people) {
    for (std::size_t round = 0; round < csp_test::scaled(20); ++round) {
      const chan<int> channel(round % 3);
      std::atomic<int> sent{0};
      std::atomic<int> received{0};
      for (int i = 0; i < 3; ++i) {
        people.add([&] {
          try {
            for (;;) {
              channel.send(1);
              ++sent;
            }
          } catch (const closed_channel&) {
          }
        });
        people.add([&] {
          for (const int value : channel) {
            received += value;
          }
        });
      }
      await([&] { return received >= 10; });
      channel.close();
      people.join();
      expect(sent == received, "what was sent was received");
    }
  });
}
