// The Go Programming Language Specification, "Send statements". Titles name the clauses; docs/conformance.md lists
// them.
#include "test/conformance/crew.h"

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>

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

template <class Handle, class Value>
concept sends = requires(const Handle& handle, Value value) {
  handle.send(value);
};

// Its copy constructor throws when told so.
struct touchy {
  explicit touchy(int number) : number_(number) {}
  touchy(const touchy& other) : number_(other.number_) {
    if (copy_throws) {
      throw std::runtime_error("copy");
    }
  }
  touchy(touchy&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  touchy& operator=(const touchy&) = delete;
  touchy& operator=(touchy&&) = delete;
  ~touchy() = default;

  int number_;
  static inline std::atomic<bool> copy_throws{false};
};

}  // namespace

TEST_CASE(
    "go spec, Send statements: channel and value are evaluated before the communication; if that throws, nothing "
    "happens") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<touchy> channel(1);
    const chan<touchy> direct;
    std::atomic<int> got{0};
    people.add([&] { got = direct.recv()->number_; });
    await([&] { return waiting_to_receive(direct) == 1; });
    touchy::copy_throws = true;
    people.add([&] {
      using namespace std::chrono_literals;
      const touchy value(5);
      const auto late = std::chrono::steady_clock::now() + 1h;
      const auto refuses = [&](auto&& attempt) { return throws<std::runtime_error>(attempt); };
      for (const chan<touchy>& target : {channel, direct}) {
        expect(refuses([&] { target.send(value); }), "send");
        expect(refuses([&] { target << value; }), "<<");
        expect(refuses([&] { static_cast<void>(target.try_send(value)); }), "try_send");
        expect(refuses([&] { static_cast<void>(target.send_for(value, 1h)); }), "send_for");
        expect(refuses([&] { static_cast<void>(target.send_until(value, late)); }), "send_until");
        expect(refuses([&] { static_cast<void>(csp::on_send(target, value)); }), "on_send");
      }
      expect(value.number_ == 5, "the caller keeps its value");
      expect(channel.size() == 0, "nothing was sent");
      expect(waiting_to_receive(direct) == 1 && got == 0, "the receiver was not disturbed");
      touchy::copy_throws = false;
      direct.send(value);
      channel.send(value);
      expect(value.number_ == 5, "a copy was sent");
    });
    people.join();
    expect(got == 5, "the receiver got the copy");
    expect(channel.recv()->number_ == 5, "and the buffer");
  });
}

TEST_CASE("go spec, Send statements: the channel permits sends, and the value can become one of its elements") {
  STATIC_REQUIRE(sends<chan<long>, int>);
  STATIC_REQUIRE(sends<sender<std::string>, const char*>);
  STATIC_REQUIRE_FALSE(sends<csp::receiver<int>, int>);
  STATIC_REQUIRE_FALSE(sends<chan<int>, std::string>);
  const chan<std::string> channel(1);
  channel.send("assignable");
  CHECK(channel.recv() == "assignable");
}

TEST_CASE("go spec, Send statements: communication blocks until the send can proceed") {
  on_each_cast([](expectations& expect, crew& people) {
    for (const std::size_t capacity : {0U, 1U}) {
      const chan<int> channel(capacity);
      for (std::size_t i = 0; i < capacity; ++i) {
        channel.send(0);
      }
      std::atomic<bool> sent{false};
      people.add([&] {
        channel.send(1);
        sent = true;
      });
      await([&] { return waiting_to_send(channel) == 1; });
      expect(!sent, "it blocks");
      static_cast<void>(channel.recv());
      people.join();
      expect(sent, "it has ended");
      expect(channel.size() == capacity, "the value has taken the free place, if there is one");
    }
  });
}

TEST_CASE("go spec, Send statements: a send on an unbuffered channel can proceed if a receiver is ready") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<std::string> channel;
    people.add([&] { expect(channel.recv() == "for you", "the waiting receiver gets it"); });
    await([&] { return waiting_to_receive(channel) == 1; });
    expect(channel.try_send("for you") == op_status::ok, "a receiver waits, so it can proceed");
    expect(channel.try_send("too much") == op_status::would_block, "but only one can");
    people.join();
  });
}

TEST_CASE("go spec, Send statements: a send on a buffered channel can proceed if there is room") {
  const chan<int> channel(2);
  CHECK(channel.try_send(1) == op_status::ok);
  CHECK(channel.try_send(2) == op_status::ok);
  CHECK(channel.try_send(3) == op_status::would_block);
  CHECK(channel.recv() == 1);
  CHECK(channel.try_send(3) == op_status::ok);
  CHECK(channel.recv() == 2);
  CHECK(channel.recv() == 3);
}

TEST_CASE("send: a send on a buffered channel is not taken by the buffer while a receiver waits") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<int> channel(4);
    people.add([&] { expect(channel.recv() == 1, "the waiting receiver gets the first"); });
    await([&] { return waiting_to_receive(channel) == 1; });
    channel << 1 << 2;
    people.join();
    expect(channel.size() == 1 && channel.recv() == 2, "the second is in the buffer");
  });
}

TEST_CASE("go spec, Send statements: a send on a closed channel throws closed_channel, where Go panics") {
  on_each_cast([](expectations& expect, crew& people) {
    using namespace std::chrono_literals;
    for (const std::size_t capacity : {0U, 2U}) {
      const chan<int> channel(capacity);
      channel.close();
      people.add([&] {
        const int value = 2;
        expect(throws<closed_channel>([&] { channel.send(1); }), "send of an rvalue");
        expect(throws<closed_channel>([&] { channel.send(value); }), "send of an lvalue");
        expect(throws<closed_channel>([&] { channel << 1 << 2; }), "<<");
        expect(throws<closed_channel>([&] { sender<int>(channel).send(1); }), "send by a view");
        expect(throws<std::logic_error>([&] { channel.send(1); }), "closed_channel is a logic_error");
        expect(channel.try_send(1) == op_status::closed, "try_send");
        expect(channel.send_for(1, 1h) == op_status::closed, "send_for");
        expect(channel.send_for(1, 0s) == op_status::closed, "send_for nothing");
        expect(channel.send_until(1, std::chrono::steady_clock::time_point::max()) == op_status::closed, "send_until");
        expect(throws<closed_channel>([&] { csp::select(csp::on_send(channel, 1)); }), "select");
        expect(channel.size() == 0, "and nothing was sent");
      });
      people.join();
    }
  });
}

TEST_CASE("go spec, Send statements: a send on a nil channel blocks for ever") {
  csp_test::on_each_topology([](expectations& expect, unsigned) {
    std::atomic<int> started{0};
    std::atomic<int> canceled{0};
    const auto blocks = [&](auto send) {
      auto task = csp::spawn([&, send] {
        ++started;
        canceled += throws<csp::canceled>(send) ? 1 : 0;
      });
      await([&] { return started == canceled + 1; });
      for (int i = 0; i < 100; ++i) {
        csp::yield();
      }
      expect(started == canceled + 1, "it has not come back");
      task.cancel();
      task.join();
      expect(started == canceled, "only cancellation ends it");
    };
    blocks([] { sender<int>().send(1); });
    blocks([] { chan<int>(csp::nil).send(1); });
    blocks([] { chan<int>(csp::nil) << 1; });
    blocks([] { sender<void>().send(); });
    blocks([] { csp::select(csp::on_send(sender<int>(), 1)); });
  });
}

TEST_CASE("send: on a nil channel the forms with a limit wait it out") {
  on_each_cast([](expectations& expect, crew& people) {
    using namespace std::chrono_literals;
    people.add([&] {
      auto value = std::make_unique<int>(1);
      const sender<std::unique_ptr<int>> none;
      expect(none.try_send(std::move(value)) == op_status::would_block, "try_send");
      const auto start = std::chrono::steady_clock::now();
      expect(none.send_for(std::move(value), 2ms) == op_status::timeout, "send_for");
      expect(none.send_until(std::move(value), start + 4ms) == op_status::timeout, "send_until");
      expect(std::chrono::steady_clock::now() - start >= 4ms, "they waited");
      expect(none.send_for(std::move(value), -1s) == op_status::timeout, "a limit in the past");
      expect(value != nullptr, "the value stays with the caller");
      expect(sender<void>().try_send() == op_status::would_block, "try_send of a signal");
      expect(sender<void>().send_for(1ms) == op_status::timeout, "send_for of a signal");
    });
    people.join();
  });
}
