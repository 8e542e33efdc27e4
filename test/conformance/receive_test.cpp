// The Go Programming Language Specification, "Receive operator" and "For statements with range clause" over channels.
// Titles name the clauses; docs/conformance.md lists them.
#include "test/conformance/crew.h"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using csp::chan;
using csp::closed_channel;
using csp::op_status;
using csp::receiver;
using csp_test::await;
using csp_test::crew;
using csp_test::expectations;
using csp_test::on_each_cast;
using csp_test::throws;
using csp_test::waiting_to_receive;

template <class Handle, class Value>
concept receives = requires(const Handle& handle, Value value) {
  value = handle.recv();
};

}  // namespace

TEST_CASE("go spec, Receive operator: the channel permits receives, and the value has its element type") {
  STATIC_REQUIRE(receives<chan<int>, std::optional<int>>);
  STATIC_REQUIRE(receives<receiver<std::string>, std::optional<std::string>>);
  STATIC_REQUIRE_FALSE(receives<csp::sender<int>, std::optional<int>>);
  STATIC_REQUIRE(std::is_same_v<decltype(std::declval<const receiver<long>&>().recv()), std::optional<long>>);
  const chan<int> channel(1);
  channel.send(3);
  CHECK(receiver<int>(channel).recv() == 3);
}

TEST_CASE("go spec, Receive operator: its value is the value received") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<std::unique_ptr<std::string>> channel;
    auto value = std::make_unique<std::string>("the very object");
    const std::string* const address = value.get();
    people.add([&] { channel.send(std::move(value)); });
    people.add([&] {
      const auto received = channel.recv();
      expect(received && received->get() == address && **received == "the very object", "the same object");
    });
    people.join();
    expect(value == nullptr, "it left the sender");
  });
}

TEST_CASE("go spec, Receive operator: it blocks until a value is available") {
  on_each_cast([](expectations& expect, crew& people) {
    for (const std::size_t capacity : {0U, 1U}) {
      const chan<int> channel(capacity);
      std::atomic<bool> received{false};
      people.add([&] {
        expect(channel.recv() == 3, "the value");
        received = true;
      });
      await([&] { return waiting_to_receive(channel) == 1; });
      expect(!received, "it blocks");
      channel.send(3);
      people.join();
      expect(received, "it has ended");
    }
  });
}

TEST_CASE("go spec, Receive operator: receiving from a nil channel blocks for ever") {
  csp_test::on_each_topology([](expectations& expect, unsigned) {
    std::atomic<int> started{0};
    std::atomic<int> canceled{0};
    const auto blocks = [&](auto receive) {
      auto task = csp::spawn([&, receive] {
        ++started;
        canceled += throws<csp::canceled>(receive) ? 1 : 0;
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
    int value = 0;
    blocks([] { static_cast<void>(receiver<int>().recv()); });
    blocks([] { static_cast<void>(chan<int>(csp::nil).recv()); });
    blocks([&] { chan<int>(csp::nil) >> value; });
    blocks([] { static_cast<void>(receiver<void>().recv()); });
    blocks([] {  // "If the channel is nil, the range expression blocks forever."
      for (const int each : receiver<int>()) {
        static_cast<void>(each);
      }
    });
    blocks([] { csp::select(csp::on_recv(receiver<int>()), csp::on_recv(chan<int>(csp::nil))); });
  });
}

TEST_CASE("receive: on a nil channel the forms with a limit wait it out") {
  on_each_cast([](expectations& expect, crew& people) {
    using namespace std::chrono_literals;
    people.add([&] {
      const receiver<int> none;
      int value = 8;
      expect(none.try_recv(value) == op_status::would_block, "try_recv");
      expect(none.try_recv().status == op_status::would_block, "try_recv");
      const auto start = std::chrono::steady_clock::now();
      expect(none.recv_for(value, 2ms) == op_status::timeout, "recv_for");
      expect(none.recv_until(start + 4ms).status == op_status::timeout, "recv_until");
      expect(std::chrono::steady_clock::now() - start >= 4ms, "they waited");
      expect(!none.recv_for(-1s).value, "a limit in the past");
      expect(receiver<void>().recv_for(1ms) == op_status::timeout, "recv_for of a signal");
      expect(value == 8, "nothing was received");
    });
    people.join();
  });
}

TEST_CASE("go spec, Receive operator: on a closed channel it proceeds at once, after what was sent before") {
  on_each_cast([](expectations& expect, crew& people) {
    using namespace std::chrono_literals;
    const chan<int> channel(3);
    channel << 1 << 2 << 3;
    channel.close();
    people.add([&] {
      int value = 0;
      channel >> value;
      expect(value == 1, "sent before the close");
      expect(channel.recv() == 2, "sent before the close");
      expect(channel.try_recv(value) == op_status::ok && value == 3, "sent before the close");
      for (int again = 0; again < 3; ++again) {
        expect(!channel.recv(), "recv");
        expect(channel.try_recv(value) == op_status::closed, "try_recv");
        expect(channel.recv_for(value, 1h) == op_status::closed, "recv_for");
        expect(channel.recv_for(value, 0s) == op_status::closed, "recv_for nothing");
        expect(channel.recv_until(value, std::chrono::steady_clock::time_point::max()) == op_status::closed, "until");
        expect(channel.try_recv().status == op_status::closed, "try_recv");
        expect(!channel.recv_for(1h).value, "recv_for");
        expect(throws<closed_channel>([&] { channel >> value; }), ">>");
      }
      expect(value == 3, "the variable is as it was");
    });
    people.join();
  });
}

TEST_CASE("go spec, Receive operator: the result tells a value that was sent from the end of the channel") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<int> channel(1);
    people.add([&] {
      const auto zero = channel.recv();
      expect(zero.has_value() && *zero == 0, "a zero that was sent is a value");
      expect(!channel.recv().has_value(), "the end is none");
    });
    people.add([&] {
      channel.send(0);
      channel.close();
    });
    people.join();
  });
}

TEST_CASE("go spec, For statements with range clause: the values are those sent until the close") {
  on_each_cast([](expectations& expect, crew& people) {
    for (const std::size_t capacity : {0U, 3U}) {
      const chan<std::unique_ptr<int>> channel(capacity);
      people.add([&] {
        for (int i = 0; i < 10; ++i) {
          channel.send(std::make_unique<int>(i));
        }
        channel.close();
      });
      people.add([&] {
        std::vector<std::unique_ptr<int>> all;
        for (auto& value : receiver<std::unique_ptr<int>>(channel)) {
          all.push_back(std::move(value));
        }
        expect(all.size() == 10, "each is seen once");
        for (int i = 0; i < 10; ++i) {
          expect(*all[static_cast<std::size_t>(i)] == i, "in order");
        }
        for (auto& value : channel) {
          expect(value == nullptr, "a closed channel has no iteration");
        }
      });
      people.join();
    }
  });
}

TEST_CASE("range: leaving the loop early leaves the rest in the channel") {
  const chan<int> channel(4);
  channel << 1 << 2 << 3 << 4;
  for (const int value : channel) {
    if (value == 2) {
      break;
    }
  }
  CHECK(channel.size() == 2);
  CHECK(channel.recv() == 3);
}

TEST_CASE("<< and >> chain, and one expression may send what another receives") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<int> out;
    const chan<int> back;
    people.add([&] { out << 1 << 2 << 3; });
    people.add([&] {
      int a = 0;
      int b = 0;
      int c = 0;
      out >> a >> b >> c;
      back << a * 100 + b * 10 + c;
    });
    int all = 0;
    receiver<int>(back) >> all;
    expect(all == 123, "in order");
    people.join();
  });
}
