// Many parties at one channel: N senders and one receiver, selects that meet selects, and timeouts that race wakes.
#include "test/support/dice.h"
#include "test/support/ledger.h"
#include "test/support/topologies.h"

#include <chrono>
#include <thread>

using namespace std::chrono_literals;
using csp_test::dice;
using csp_test::ledger;
using csp_test::token;

TEST_CASE("one receiver gets all that many senders send on an unbuffered channel") {
  csp_test::on_each_topology([](csp_test::expectations& expect, unsigned) {
    constexpr std::size_t tasks = 8;
    const std::size_t share = csp_test::scaled(100'000);
    const std::size_t thread_share = csp_test::scaled(4'000);
    const std::size_t total = tasks * share + thread_share;
    const csp::chan<std::uint64_t> numbers;
    csp::wait_group senders;
    std::vector<std::uint64_t> last(tasks + 1, 0);
    const auto send_share = [&numbers](std::size_t sender, std::size_t count) {
      for (std::uint64_t i = 1; i <= count; ++i) {
        numbers.send(sender << 32 | i);
      }
    };
    for (std::size_t i = 0; i < tasks; ++i) {
      senders.go([&, i] { send_share(i, share); });
    }
    std::thread outside([&] { send_share(tasks, thread_share); });
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < total; ++i) {
      const std::uint64_t value = numbers.recv().value();
      const std::size_t sender = value >> 32;
      // In order from each sender: nothing lost, doubled or overwritten.
      expect(sender <= tasks && (value & 0xFFFFFFFF) == last[sender] + 1, "the next value of its sender");
      last[sender] = value & 0xFFFFFFFF;
      sum += value & 0xFFFFFFFF;
    }
    expect(sum == tasks * (share * (share + 1) / 2) + thread_share * (thread_share + 1) / 2, "the sum is exact");
    senders.wait();
    csp::blocking([&] { outside.join(); });
    expect(numbers.try_recv().status == csp::op_status::would_block, "nothing is left");
  });
}

TEST_CASE("selects that send and receive on the same channels meet each other") {
  csp_test::on_each_topology([](csp_test::expectations& expect, unsigned) {
    constexpr std::size_t tasks = 6;
    const std::size_t share = csp_test::scaled(50'000);
    const csp::chan<token> a;
    const csp::chan<token> b;
    const csp::chan<void> stop;
    ledger book(tasks * share, expect);
    std::atomic<std::size_t> sent{0};
    std::atomic<std::size_t> received{0};
    std::atomic<std::size_t> finished{0};
    csp::wait_group all;
    for (std::size_t t = 0; t < tasks; ++t) {
      all.go([&, t] {
        dice chance(t);
        const auto take = [&](std::optional<token> got) {
          book.received(got);
          received.fetch_add(1);
        };
        bool ended = false;
        for (std::uint64_t id = 1 + t * share; id < 1 + (t + 1) * share && !ended;) {
          token value(id);
          int arm = 0;
          // Whatever two of them do at a time, they can meet.
          switch (chance.below(3)) {
            case 0:
              arm = csp::select(csp::on_send(a, std::move(value)), csp::on_recv(stop), csp::on_recv(a, take));
              break;
            case 1:
              arm = csp::select(csp::on_send(a, std::move(value)), csp::on_recv(stop), csp::on_recv(b, take),
                                csp::on_recv(a, take));
              break;
            default:
              arm = csp::select(csp::on_recv(a, take), csp::on_recv(stop), csp::on_recv(b, take),
                                csp::on_send(b, std::move(value)));
              break;
          }
          if (value.id == 0) {
            book.sent(id, value);
            sent.fetch_add(1);
            ++id;
          } else {
            book.kept(id, value);
            ended = arm == 1;
          }
        }
        // A lone task has nobody to meet.
        if (finished.fetch_add(1) + 1 == tasks - 1) {
          stop.close();
        }
        // Those who go on need somebody who receives.
        while (csp::select(csp::on_recv(a, take), csp::on_recv(b, take), csp::on_recv(stop)) != 2) {
        }
      });
    }
    all.wait();
    expect(sent.load() == received.load(), "as many sent as received");
    expect(book.settle() == sent.load(), "each value went across once");
    expect(sent.load() >= (tasks - 1) * share, "the tasks met");
  });
}

TEST_CASE("timeouts race wakes on both sides of an unbuffered channel") {
  csp_test::on_each_topology([](csp_test::expectations& expect, unsigned) {
    constexpr std::size_t pairs = 4;
    const std::size_t share = csp_test::scaled(150'000);
    ledger book(pairs * share, expect);
    std::atomic<std::size_t> timeouts{0};
    csp::wait_group all;
    std::vector<std::thread> threads;
    for (std::size_t pair = 0; pair < pairs; ++pair) {
      const csp::chan<token> meeting(pair % 2);
      // The limits are about as long as a switch or a wake, so both outcomes are frequent.
      const auto limit = [](dice& chance) { return std::chrono::nanoseconds(chance.below(4) * 1'000 + 300); };
      const auto send = [&, pair, meeting, limit] {
        dice chance(pair);
        for (std::uint64_t id = 1 + pair * share; id < 1 + (pair + 1) * share; ++id) {
          token value(id);
          if (meeting.send_for(std::move(value), limit(chance)) == csp::op_status::ok) {
            book.sent(id, value);
          } else {
            timeouts.fetch_add(1, std::memory_order_relaxed);
            book.kept(id, value);
          }
        }
        meeting.close();
      };
      const auto receive = [&, pair, meeting, limit] {
        dice chance(~pair);
        for (;;) {
          token value;
          const csp::op_status status = meeting.recv_for(value, limit(chance));
          if (status == csp::op_status::closed) {
            return;
          }
          if (status == csp::op_status::ok) {
            book.received(value);
          } else {
            expect(status == csp::op_status::timeout && value.id == 0, "a timeout brings no value");
          }
        }
      };
      all.go(send);
      if (pair == 3) {
        threads.emplace_back(receive);
      } else {
        all.go(receive);
      }
    }
    all.wait();
    csp::blocking([&] {
      for (std::thread& each : threads) {
        each.join();
      }
    });
    const std::size_t across = book.settle();
    expect(across + timeouts.load() == pairs * share, "each value either went across or stayed");
    expect(timeouts.load() > 0 && across > 0, "both outcomes occurred");
  });
}
