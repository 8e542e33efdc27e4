// The Go Programming Language Specification, "Channel types", "Making slices, maps and channels", "Length and capacity"
// and "Comparison operators", as far as they speak of channels. Titles name the clauses; docs/conformance.md lists
// them.
#include "test/conformance/crew.h"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>

namespace {

using csp::chan;
using csp::op_status;
using csp::receiver;
using csp::sender;
using csp_test::await;
using csp_test::crew;
using csp_test::expectations;
using csp_test::on_each_cast;
using csp_test::waiting_to_receive;
using csp_test::waiting_to_send;

// From both directions to one, never back or across, never to another element type.
static_assert(std::is_convertible_v<chan<int>, sender<int>>);
static_assert(std::is_convertible_v<chan<int>, receiver<int>>);
static_assert(!std::is_constructible_v<chan<int>, sender<int>>);
static_assert(!std::is_constructible_v<chan<int>, receiver<int>>);
static_assert(!std::is_constructible_v<sender<int>, receiver<int>>);
static_assert(!std::is_constructible_v<receiver<int>, sender<int>>);
static_assert(!std::is_constructible_v<sender<long>, chan<int>>);
static_assert(!std::is_constructible_v<receiver<long>, chan<int>>);
static_assert(!std::is_convertible_v<std::size_t, chan<int>>, "a number is not a channel");

template <class Handle>
concept can_send = requires(const Handle& handle) {
  handle.send(1);
}
|| requires(const Handle& handle) { handle.try_send(1); }
|| requires(const Handle& handle) { handle << 1; };
template <class Handle>
concept can_receive = requires(const Handle& handle) {
  handle.recv();
}
|| requires(const Handle& handle) { handle.try_recv(); }
|| requires(const Handle& handle, int& value) { handle >> value; }
|| requires(const Handle& handle) { handle.begin(); };
template <class Handle>
concept can_close = requires(const Handle& handle) {
  handle.close();
};

}  // namespace

TEST_CASE("go spec, Channel types: an uninitialized channel is nil") {
  CHECK_FALSE(sender<int>());
  CHECK_FALSE(receiver<int>());
  CHECK_FALSE(chan<int>(csp::nil));
  CHECK_FALSE(sender<int>(chan<int>(csp::nil)));
  CHECK_FALSE(receiver<void>(chan<void>(csp::nil)));
  CHECK(chan<int>());
  CHECK(sender<int>(chan<int>()));
  CHECK(receiver<int>(chan<int>(3)));
}

TEST_CASE("go spec, Channel types: a nil channel is never ready for communication") {
  const chan<int> none(csp::nil);
  CHECK(none.try_send(1) == op_status::would_block);
  CHECK(none.try_recv().status == op_status::would_block);
  CHECK(csp::select(csp::on_send(none, 1), csp::on_recv(none), csp::otherwise()) == 2);
}

TEST_CASE("go spec, Channel types: a conversion constrains a channel to one direction") {
  STATIC_REQUIRE(can_send<chan<int>>);
  STATIC_REQUIRE(can_receive<chan<int>>);
  STATIC_REQUIRE(can_send<sender<int>>);
  STATIC_REQUIRE_FALSE(can_receive<sender<int>>);
  STATIC_REQUIRE(can_receive<receiver<int>>);
  STATIC_REQUIRE_FALSE(can_send<receiver<int>>);
  const chan<int> channel(1);
  const sender<int> in = channel;
  const receiver<int> out = channel;
  in.send(4);
  CHECK(out.recv() == 4);
}

TEST_CASE("go spec, Channel types: a channel is made with a capacity, and without one it has no buffer") {
  CHECK(chan<int>().capacity() == 0);
  CHECK(chan<int>(0).capacity() == 0);
  CHECK(chan<int>().try_send(1) == op_status::would_block);
  const chan<int> channel(2);
  CHECK(channel.try_send(1) == op_status::ok);
  CHECK(channel.try_send(2) == op_status::ok);
  CHECK(channel.try_send(3) == op_status::would_block);
}

TEST_CASE("go spec, Channel types: a receive tells whether its value was sent before the close") {
  const chan<int> channel(1);
  channel.send(0);
  channel.close();
  int value = 5;
  CHECK(channel.try_recv(value) == op_status::ok);
  CHECK(value == 0);
  CHECK(channel.try_recv(value) == op_status::closed);
}

TEST_CASE(
    "go spec, Channel types: without a buffer, communication takes place when both a sender and a receiver are ready") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<int> channel;
    expect(channel.try_send(1) == op_status::would_block, "a send alone cannot proceed");
    expect(channel.try_recv().status == op_status::would_block, "a receive alone cannot proceed");
    std::atomic<bool> sent{false};
    people.add([&] {
      channel.send(7);
      sent = true;
    });
    await([&] { return waiting_to_send(channel) == 1; });
    expect(!sent, "the send waits for its receiver");
    expect(channel.size() == 0, "an unbuffered channel holds nothing");
    people.add([&] { expect(channel.recv() == 7, "the value sent is received"); });
    people.join();
    expect(sent, "the send has completed");
  });
}

TEST_CASE(
    "go spec, Channel types: with a buffer, sends go on while it is not full and receives while it is not empty") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<int> channel(3);
    people.add([&] {
      for (const int value : {1, 2, 3}) {
        channel.send(value);  // nobody receives yet: this ends only if it does not block
      }
    });
    people.join();
    expect(channel.size() == 3, "all three are in the buffer");
    expect(channel.try_send(4) == op_status::would_block, "a full buffer takes no more");
    std::atomic<bool> sent{false};
    people.add([&] {
      channel.send(4);
      sent = true;
    });
    await([&] { return waiting_to_send(channel) == 1; });
    expect(!sent && channel.size() == 3, "the fourth send waits");
    people.add([&] {
      for (const int value : {1, 2, 3, 4}) {
        expect(channel.recv() == value, "received in the order sent");
      }
    });
    people.join();
    expect(sent && channel.size() == 0, "the fourth was sent and received");
    expect(channel.try_recv().status == op_status::would_block, "an empty buffer gives nothing");
  });
}

TEST_CASE("go spec, Channel types: values of one sender are received in the order sent") {
  on_each_cast([](expectations& expect, crew& people) {
    for (const std::size_t capacity : {0U, 1U, 2U, 7U}) {
      const chan<std::size_t> channel(capacity);
      const std::size_t count = csp_test::scaled(1000);
      people.add([&, count] {
        for (std::size_t i = 0; i < count; ++i) {
          channel.send(i);
        }
        channel.close();
      });
      people.add([&, count] {
        for (std::size_t i = 0; i < count; ++i) {
          expect(channel.recv() == i, "values arrive in the order sent");
        }
        expect(!channel.recv(), "and no more than were sent");
      });
      people.join();
    }
  });
}

TEST_CASE("go spec, Channel types: any number may send, receive and ask for length and capacity at once") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<std::size_t> channel(2);
    const chan<std::size_t> sums;
    constexpr std::size_t people_each_side = 4;
    const std::size_t each = csp_test::scaled(400);
    for (std::size_t s = 0; s < people_each_side; ++s) {
      people.add([&, s] {
        for (std::size_t i = 0; i < each; ++i) {
          channel.send(s * each + i);
          expect(channel.size() <= 2 && channel.capacity() == 2, "len is at most cap");
        }
      });
      people.add([&] {
        std::size_t sum = 0;
        for (std::size_t i = 0; i < each; ++i) {
          sum += *channel.recv();
        }
        sums.send(sum);
      });
    }
    std::size_t total = 0;
    for (std::size_t s = 0; s < people_each_side; ++s) {
      total += *sums.recv();
    }
    people.join();
    const std::size_t all = people_each_side * each;
    expect(total == all * (all - 1) / 2, "every value is received exactly once");
    expect(channel.size() == 0, "nothing is left");
  });
}

TEST_CASE("go spec, Length and capacity: the number of values in the buffer, and its size") {
  const chan<std::string> channel(2);
  CHECK(channel.capacity() == 2);
  CHECK(channel.size() == 0);
  channel.send("a");
  CHECK(channel.size() == 1);
  channel << "b";
  CHECK(sender<std::string>(channel).size() == 2);
  CHECK(receiver<std::string>(channel).capacity() == 2);
  channel.close();
  CHECK(channel.size() == 2);
  CHECK(channel.recv() == "a");
  CHECK(receiver<std::string>(channel).size() == 1);
  CHECK(channel.capacity() == 2);
  CHECK(chan<int>().capacity() == 0);
  // "The length of a nil channel is 0", and so is its capacity.
  CHECK(chan<int>(csp::nil).size() == 0);
  CHECK(chan<int>(csp::nil).capacity() == 0);
  CHECK(sender<int>().size() == 0);
  CHECK(receiver<int>().capacity() == 0);
  CHECK_FALSE(receiver<int>().is_closed());
}

TEST_CASE("go spec, Comparison operators: channels are equal if they were made together or are both nil") {
  const chan<int> one;
  const chan<int> other;
  const chan<int> copy = one;
  CHECK(copy == one);
  CHECK(one != other);
  CHECK(one != chan<int>(csp::nil));
  CHECK(chan<int>(csp::nil) == chan<int>(csp::nil));
  CHECK(sender<int>(one) == sender<int>(copy));
  CHECK(sender<int>(one) != sender<int>(other));
  CHECK(receiver<int>(one) == receiver<int>(copy));
  CHECK(receiver<int>(one) != receiver<int>(other));
  CHECK(receiver<int>() == receiver<int>());
  CHECK(receiver<int>() != receiver<int>(one));
  chan<int> assigned;
  assigned = other;
  CHECK(assigned == other);
  const auto& itself = assigned;
  assigned = itself;
  CHECK(assigned == other);
}

TEST_CASE("channel types: a channel lives as long as a handle does, and its values with it") {
  const auto value = std::make_shared<int>(1);
  std::optional<receiver<std::shared_ptr<int>>> last;
  {
    const chan<std::shared_ptr<int>> channel(4);
    channel << value << value << value;
    last.emplace(channel);
  }
  CHECK(value.use_count() == 4);
  CHECK(*last->recv() == value);
  CHECK(value.use_count() == 3);
  last.reset();
  CHECK(value.use_count() == 1);
}
