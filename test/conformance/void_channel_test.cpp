// chan<void>: signals without a value obey the rules of all channels.
#include "test/conformance/crew.h"

#include <atomic>

namespace {

using namespace std::chrono_literals;
using csp::chan;
using csp::closed_channel;
using csp::op_status;
using csp_test::await;
using csp_test::crew;
using csp_test::expectations;
using csp_test::on_each_cast;
using csp_test::throws;
using csp_test::waiting_to_receive;
using csp_test::waiting_to_send;
using steady = std::chrono::steady_clock;

}  // namespace

TEST_CASE("chan<void>: unbuffered, a send completes when it is received") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<void> channel;
    std::atomic<bool> sent{false};
    people.add([&] {
      csp::sender<void>(channel).send();
      sent = true;
    });
    await([&] { return waiting_to_send(channel) == 1; });
    expect(!sent, "it waits");
    people.add([&] { expect(csp::receiver<void>(channel).recv(), "a signal"); });
    people.join();
    expect(sent, "it was received");
  });
}

TEST_CASE("chan<void>: buffered, signals are counted; closed, what was sent is received first") {
  const chan<void> channel(2);
  CHECK(channel.capacity() == 2);
  CHECK(channel.try_recv() == op_status::would_block);
  channel.send();
  CHECK(channel.try_send() == op_status::ok);
  CHECK(channel.size() == 2);
  CHECK(channel.try_send() == op_status::would_block);
  CHECK(channel.send_for(0s) == op_status::timeout);
  CHECK(channel.send_until(steady::now() - 1s) == op_status::timeout);
  CHECK(channel.close());
  CHECK(channel.is_closed());
  CHECK(channel.try_send() == op_status::closed);
  CHECK(channel.send_for(1h) == op_status::closed);
  CHECK_THROWS_AS(channel.send(), closed_channel);
  CHECK(channel.recv());
  CHECK(channel.recv_for(0s) == op_status::ok);
  CHECK_FALSE(channel.recv());
  CHECK(channel.try_recv() == op_status::closed);
  CHECK(channel.recv_until(steady::time_point::max()) == op_status::closed);
}

TEST_CASE("chan<void>: limits") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<void> channel;
    std::atomic<bool> timed_out{false};
    people.add([&] {
      const auto start = steady::now();
      expect(channel.send_for(2ms) == op_status::timeout, "send_for");
      expect(channel.recv_until(start + 4ms) == op_status::timeout, "recv_until");
      expect(steady::now() - start >= 4ms, "they waited");
      expect(channel.recv_for(-1s) == op_status::timeout, "a past limit");
      timed_out = true;
      expect(channel.recv_for(steady::duration::max()) == op_status::ok, "no limit");
    });
    await([&] { return waiting_to_receive(channel) == 1 && timed_out; });
    people.add([&] { expect(channel.send_for(steady::duration::max()) == op_status::ok, "no limit"); });
    people.join();
  });
}

TEST_CASE("chan<void>: in a select the receive handler gets a bool, the send handler nothing") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<void> channel;
    const chan<void> quiet;
    people.add([&] {
      bool told = false;
      const int chosen = csp::select(csp::on_recv(quiet), csp::on_recv(channel, [&](bool signal) { told = signal; }));
      expect(chosen == 1 && told, "a signal");
      const auto again = csp::select(csp::on_recv(channel, [&](bool signal) { told = signal; }), csp::on_recv(quiet));
      expect(again == 0 && !told, "the end");
    });
    people.add([&] {
      int sent = 0;
      const int chosen = csp::select(csp::on_send(channel, [&] { ++sent; }), csp::on_send(csp::sender<void>()));
      expect(chosen == 0 && sent == 1, "sent");
      channel.close();
      expect(throws<closed_channel>([&] { csp::select(csp::on_send(channel, [&] { ++sent; })); }), "closed");
      expect(sent == 1, "the handler did not run");
    });
    people.join();
  });
}

TEST_CASE("chan<void>: its close releases all who wait: a gate") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<void> gate;
    std::atomic<int> through{0};
    for (int i = 0; i < 8; ++i) {
      people.add([&] {
        expect(!gate.recv(), "nothing was sent");
        ++through;
      });
    }
    await([&] { return waiting_to_receive(gate) == 8; });
    expect(through == 0, "all wait at the gate");
    gate.close();
    people.join();
    expect(through == 8, "all went through");
  });
}
