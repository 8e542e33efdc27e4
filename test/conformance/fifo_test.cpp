// Waiters are served first come, first served, whatever they are and however they wait.
#include "test/conformance/crew.h"

#include <array>
#include <atomic>
#include <vector>

namespace {

using namespace std::chrono_literals;
using csp::chan;
using csp::op_status;
using csp_test::await;
using csp_test::crew;
using csp_test::expectations;
using csp_test::on_each_cast;
using csp_test::waiting_to_receive;
using csp_test::waiting_to_send;

constexpr int waiters = 9;

// The ways to wait for a value: plain, with a limit, in a select.
int receive_somehow(const chan<int>& channel, int form) {
  int value = -1;
  switch (form % 3) {
    case 0:
      channel >> value;
      break;
    case 1:
      static_cast<void>(channel.recv_for(value, 1h));
      break;
    default:
      csp::select(csp::on_recv(channel, [&](std::optional<int> got) { value = *got; }), csp::on_timeout(1h));
  }
  return value;
}

void send_somehow(const chan<int>& channel, int form) {
  switch (form % 3) {
    case 0:
      channel.send(form);
      break;
    case 1:
      static_cast<void>(channel.send_for(form, 1h));
      break;
    default:
      csp::select(csp::on_send(channel, form), csp::on_timeout(1h));
  }
}

}  // namespace

TEST_CASE("fifo: receivers are served in the order in which they came") {
  on_each_cast([](expectations& expect, crew& people) {
    for (const std::size_t capacity : {0U, 2U}) {
      const chan<int> channel(capacity);
      std::array<std::atomic<int>, waiters> got{};
      for (int i = 0; i < waiters; ++i) {
        people.add([&, i] { got[static_cast<std::size_t>(i)] = receive_somehow(channel, i); });
        await([&] { return waiting_to_receive(channel) == static_cast<std::size_t>(i) + 1; });
      }
      for (int i = 0; i < waiters; ++i) {
        channel.send(100 + i);
      }
      people.join();
      for (int i = 0; i < waiters; ++i) {
        expect(got[static_cast<std::size_t>(i)] == 100 + i, "the ith receiver gets the ith value");
      }
    }
  });
}

TEST_CASE("fifo: senders are served in the order in which they came, after what is in the buffer") {
  on_each_cast([](expectations& expect, crew& people) {
    for (const int capacity : {0, 2}) {
      const chan<int> channel(static_cast<std::size_t>(capacity));
      for (int i = 0; i < capacity; ++i) {
        channel.send(-2 + i);
      }
      for (int i = 0; i < waiters; ++i) {
        people.add([&, i] { send_somehow(channel, i); });
        await([&] { return waiting_to_send(channel) == static_cast<std::size_t>(i) + 1; });
      }
      for (int i = 0; i < capacity; ++i) {
        expect(channel.recv() == -2 + i, "the buffer first");
      }
      for (int i = 0; i < waiters; ++i) {
        expect(channel.recv() == i, "then the senders in turn");
      }
      people.join();
    }
  });
}

TEST_CASE("fifo: a sender that comes later does not overtake one that waits") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<int> channel(1);
    channel.send(0);
    people.add([&] { channel.send(1); });
    await([&] { return waiting_to_send(channel) == 1; });
    expect(channel.recv() == 0, "the buffered one");
    expect(channel.size() == 1, "the waiting sender's value has taken its place at once");
    expect(channel.try_send(2) == op_status::would_block, "so there is no room for another");
    expect(channel.recv() == 1, "the sender that waited");
    people.join();
  });
}

TEST_CASE("fifo: a waiter that gives up does not disturb the order of the others") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<int> channel;
    std::array<std::atomic<int>, 3> got{};
    std::atomic<bool> gave_up{false};
    people.add([&] { got[0] = receive_somehow(channel, 0); });
    await([&] { return waiting_to_receive(channel) == 1; });
    people.add([&] {
      // Long enough that the next one surely queues behind it.
      expect(channel.recv_for(30ms).status == op_status::timeout, "nobody serves it");
      gave_up = true;
    });
    await([&] { return waiting_to_receive(channel) == 2 || gave_up; });
    people.add([&] { got[1] = receive_somehow(channel, 1); });
    await([&] { return waiting_to_receive(channel) == 3 || (gave_up && waiting_to_receive(channel) == 2); });
    await([&] { return gave_up.load(); });
    people.add([&] { got[2] = receive_somehow(channel, 2); });
    await([&] { return waiting_to_receive(channel) == 3; });
    channel << 1 << 2 << 3;
    people.join();
    expect(got[0] == 1 && got[1] == 2 && got[2] == 3, "in turn");
  });
}

TEST_CASE("fifo: many senders and one receiver: each sender's values in order, count and sum exact") {
  on_each_cast([](expectations& expect, crew& people) {
    for (const std::size_t capacity : {0U, 3U}) {
      struct item {
        std::size_t sender;
        std::size_t number;
      };
      const chan<item> channel(capacity);
      constexpr std::size_t senders = 6;
      const std::size_t each = csp_test::scaled(300);
      for (std::size_t s = 0; s < senders; ++s) {
        people.add([&, s] {
          for (std::size_t i = 0; i < each; ++i) {
            channel.send({s, i});
          }
        });
      }
      std::array<std::size_t, senders> next{};
      for (std::size_t i = 0; i < senders * each; ++i) {
        const item got = *channel.recv();
        expect(got.sender < senders && got.number == next[got.sender]++, "no value lost, doubled or overtaken");
      }
      people.join();
      expect(channel.try_recv().status == op_status::would_block, "no value too many");
    }
  });
}
