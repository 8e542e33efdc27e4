// The try_, _for and _until forms: what they answer and how long they wait; limits that are zero, negative and endless.
#include "test/conformance/crew.h"

#include <atomic>
#include <chrono>
#include <thread>

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
using steady = std::chrono::steady_clock;

// The answer of an operation that takes at least `least`.
template <class Operation>
op_status timed(expectations& expect, steady::duration least, Operation&& operation) {
  const auto start = steady::now();
  const op_status status = operation();
  expect(steady::now() - start >= least, "it does not give up early");
  return status;
}

}  // namespace

TEST_CASE("limits: an operation that nobody meets times out, not before its time, and leaves nothing behind") {
  on_each_cast([](expectations& expect, crew& people) {
    for (const std::size_t capacity : {0U, 1U}) {
      const chan<int> channel(capacity);
      people.add([&] {
        int value = 8;
        expect(timed(expect, 3ms, [&] { return channel.recv_for(value, 3ms); }) == op_status::timeout, "recv_for");
        expect(timed(expect, 3ms, [&] { return channel.recv_until(value, steady::now() + 3ms); }) == op_status::timeout,
               "recv_until");
        expect(timed(expect, 1ms, [&] { return channel.recv_for(1ms).status; }) == op_status::timeout, "recv_for");
        expect(timed(expect, 1ms, [&] { return channel.recv_until(steady::now() + 1ms).status; }) == op_status::timeout,
               "recv_until");
        expect(value == 8, "nothing was received");
        expect(waiting_to_receive(channel) == 0, "nothing is left of the receives");
        while (channel.try_send(1) == op_status::ok) {
        }
        expect(timed(expect, 3ms, [&] { return channel.send_for(1, 3ms); }) == op_status::timeout, "send_for");
        expect(timed(expect, 3ms, [&] { return channel.send_until(value, steady::now() + 3ms); }) == op_status::timeout,
               "send_until");
        expect(waiting_to_send(channel) == 0, "nothing is left of the sends");
        expect(channel.size() == capacity, "a value that timed out was not sent");
      });
      people.join();
    }
  });
}

TEST_CASE("limits: zero, negative and past limits are one attempt") {
  on_each_cast([](expectations& expect, crew& people) {
    people.add([&] {
      const chan<int> channel(1);
      int value = 0;
      const auto past = steady::now() - 1s;
      for (const auto limit : {steady::duration(0), steady::duration(-1), steady::duration::min()}) {
        expect(channel.recv_for(value, limit) == op_status::timeout, "nothing to receive");
        expect(channel.recv_for(limit).status == op_status::timeout, "nothing to receive");
        expect(channel.send_for(1, limit) == op_status::ok, "there is room");
        expect(channel.send_for(2, limit) == op_status::timeout, "there is none");
        expect(channel.recv_for(value, limit) == op_status::ok && value == 1, "there is a value");
      }
      for (const auto deadline : {past, steady::time_point::min(), steady::time_point()}) {
        expect(channel.recv_until(value, deadline) == op_status::timeout, "nothing to receive");
        expect(channel.send_until(1, deadline) == op_status::ok, "there is room");
        expect(channel.send_until(2, deadline) == op_status::timeout, "there is none");
        expect(*channel.recv_until(deadline).value == 1, "there is a value");
      }
    });
    people.join();
  });
}

TEST_CASE("limits: duration::max() and time_point::max() are without limit") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<int> channel;
    const auto meets = [&](auto operation) {
      people.add([&, operation] { expect(operation() == op_status::ok, "it waits for its partner"); });
    };
    meets([&] { return channel.recv_for(steady::duration::max()).status; });
    meets([&] { return channel.recv_for(std::chrono::hours::max()).status; });
    meets([&] { return channel.recv_for(std::chrono::duration<double>(1e30)).status; });
    meets([&] { return channel.recv_until(steady::time_point::max()).status; });
    await([&] { return waiting_to_receive(channel) == 4; });
    for (int i = 0; i < 4; ++i) {
      channel.send(i);
    }
    people.join();
    meets([&] { return channel.send_for(1, steady::duration::max()); });
    meets([&] { return channel.send_for(1, std::chrono::hours::max()); });
    meets([&] { return channel.send_for(1, std::chrono::years::max()); });
    meets([&] { return channel.send_until(1, steady::time_point::max()); });
    await([&] { return waiting_to_send(channel) == 4; });
    for (int i = 0; i < 4; ++i) {
      expect(channel.recv() == 1, "the value");
    }
    people.join();
  });
}

TEST_CASE("limits: coarse, fine and floating periods are all understood, and rounded up") {
  const chan<int> channel;
  const auto start = steady::now();
  CHECK(channel.recv_for(std::chrono::duration<double>(0.002)).status == op_status::timeout);
  CHECK(steady::now() - start >= 2ms);
  CHECK(channel.recv_for(1ns).status == op_status::timeout);
  CHECK(channel.recv_for(0min).status == op_status::timeout);
  CHECK(channel.recv_for(std::chrono::duration<double>(-1e30)).status == op_status::timeout);
}

TEST_CASE("limits: a timeout that races with its partner has one outcome, told to both") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<int> channel;
    const std::size_t rounds = csp_test::scaled(300);
    std::atomic<std::size_t> sent{0};
    std::atomic<std::size_t> received{0};
    std::atomic<int> active{2};
    for (int side = 0; side < 2; ++side) {
      people.add([&, rounds] {
        for (std::size_t i = 0; i < rounds; ++i) {
          sent += channel.send_for(1, std::chrono::microseconds(i % 40)) == op_status::ok ? 1U : 0U;
        }
        --active;
      });
      people.add([&] {
        int value = 0;
        while (active != 0) {
          received += channel.recv_for(value, 20us) == op_status::ok ? 1U : 0U;
        }
      });
    }
    people.join();
    expect(sent == received, "a send is ok exactly when a receive is");
    expect(waiting_to_send(channel) == 0 && waiting_to_receive(channel) == 0, "nothing is left");
    expect(channel.try_recv().status == op_status::would_block, "no value is left");
  });
}

TEST_CASE("limits: an expired wait neither loses a queued peer's wake nor wakes the next sleep") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<int> channel;
    for (std::size_t round = 0; round < csp_test::scaled(20); ++round) {
      std::atomic<int> timed_got{0};
      std::atomic<int> plain_got{0};
      people.add([&] { timed_got += channel.recv_for(100us).status == op_status::ok ? 1 : 0; });
      people.add([&] { plain_got += channel.recv() ? 1 : 0; });
      people.add([&] {
        std::this_thread::yield();
        channel.send(1);
      });
      await([&] { return timed_got + plain_got == 1; });
      if (timed_got == 1) {
        channel.send(1);  // for the plain receive, which still waits
      }
      people.add([&] {
        const auto start = steady::now();
        csp::sleep_for(1ms);
        expect(steady::now() - start >= 1ms, "a sleep after it is not cut short");
      });
      people.join();
      expect(plain_got == 1, "the peer was served, once");
      expect(waiting_to_receive(channel) == 0, "nobody is left");
    }
  });
}
