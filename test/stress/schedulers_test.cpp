// Scheduler objects: several at once that exchange values, and the loop of start, drain, stop and start again.
#include "test/support/dice.h"
#include "test/support/ledger.h"
#include "test/support/topologies.h"

#include <chrono>
#include <optional>
#include <thread>

using namespace std::chrono_literals;
using csp_test::dice;
using csp_test::expectations;
using csp_test::footprint;
using csp_test::ledger;
using csp_test::token;
using csp_test::with;

namespace {

// Notes that a callable has run or was at least destroyed.
class life {
 public:
  life(std::atomic<std::size_t>& alive) : alive_(&alive) { alive.fetch_add(1); }
  life(life&& other) noexcept : alive_(std::exchange(other.alive_, nullptr)) {}
  life(const life&) = delete;
  life& operator=(const life&) = delete;
  life& operator=(life&&) = delete;
  ~life() {
    if (alive_ != nullptr) {
      alive_->fetch_sub(1);
    }
  }

 private:
  std::atomic<std::size_t>* alive_;
};

}  // namespace

TEST_CASE("tasks of several schedulers, and threads, exchange values") {
  const footprint before = footprint::now();
  for (const unsigned processors : {1U, 2U, 3U}) {
    CAPTURE(processors);
    expectations expect;
    constexpr std::size_t senders = 4;
    const std::size_t share = csp_test::scaled(60'000);
    ledger book(senders * share, expect);
    const csp::chan<token> meeting;
    const csp::chan<token> queue(5);
    std::optional<csp::scheduler> all[3];
    for (unsigned i = 0; i < 3; ++i) {
      all[i].emplace(with(1 + (processors + i) % 3));
      all[i]->start();
    }
    std::atomic<std::size_t> sending{senders};
    std::atomic<std::size_t> received{0};
    const auto send = [&](std::size_t sender) {
      dice chance(sender);
      for (std::uint64_t id = 1 + sender * share; id < 1 + (sender + 1) * share; ++id) {
        token value(id);
        if (chance.below(2) == 0) {
          csp::select(csp::on_send(meeting, std::move(value)), csp::on_send(queue, std::move(value)));
        } else {
          queue.send(std::move(value));
        }
        book.sent(id, value);
      }
      if (sending.fetch_sub(1) == 1) {
        meeting.close();
        queue.close();
      }
    };
    const auto receive = [&] {
      bool open = true;
      while (open) {
        const auto take = [&](std::optional<token> got) {
          open = got.has_value();
          if (got) {
            book.received(*got);
            received.fetch_add(1, std::memory_order_relaxed);
          }
        };
        csp::select(csp::on_recv(meeting, take), csp::on_recv(queue, take));
      }
      for (const token& left : queue) {
        book.received(left);
        received.fetch_add(1, std::memory_order_relaxed);
      }
    };
    for (std::size_t i = 0; i < senders; ++i) {
      all[i % 3]->go([&send, i] { send(i); });
      all[(i + 1) % 3]->go([&receive] { receive(); });
    }
    std::thread outside(receive);
    for (auto& each : all) {
      each->drain();
    }
    outside.join();
    for (auto& each : all) {
      each->stop();
      expect(each->stats().spawned == each->stats().finished, "every task that was spawned has ended");
    }
    expect(book.settle() == senders * share && received.load() == senders * share, "every value arrived");
    expect.verify();
  }
  CHECK(footprint::settled(before) == before);
}

TEST_CASE("one task spawns and joins on another scheduler") {
  const std::size_t rounds = csp_test::scaled(20'000);
  expectations expect;
  csp::scheduler far(with(2));
  far.start();
  csp::run(with(2), [&] {
    csp::wait_group group;
    for (int worker = 0; worker < 4; ++worker) {
      group.go([&] {
        for (std::size_t i = 0; i < rounds; ++i) {
          auto task = far.spawn([i] {
            if (i % 4 == 0) {
              csp::yield();
            }
            return 2 * i;
          });
          expect(task.join() == 2 * i, "the value comes from over there");
        }
      });
    }
    group.wait();
  });
  far.drain();
  far.stop();
  expect.verify();
}

TEST_CASE("start, drain, stop and start again") {
  const std::size_t rounds = csp_test::scaled(3'000);
  const footprint before = footprint::now();
  for (const unsigned processors : {1U, 2U, 4U}) {
    CAPTURE(processors);
    expectations expect;
    csp::scheduler subject(with(processors));
    std::atomic<std::size_t> alive{0};
    for (std::size_t round = 0; round < rounds; ++round) {
      subject.start();
      std::atomic<std::size_t> ran{0};
      const std::size_t tasks = round % 20;
      const csp::chan<int> never_sent;
      for (std::size_t i = 0; i < tasks; ++i) {
        subject.go([&ran, round, mine = life(alive), never_sent] {
          ran.fetch_add(1);
          if (round % 3 == 0) {
            csp::yield();
          } else if (round % 3 == 1) {
            static_cast<void>(never_sent.recv());
          }
        });
      }
      if (round % 3 != 1) {
        subject.drain();
        expect(ran.load() == tasks, "drain waits for every task");
        expect(alive.load() == 0, "with nothing left of them");
      }
      subject.stop();
      expect(alive.load() == 0, "stop ends the tasks that live");
      expect(ran.load() <= tasks, "no task runs twice");
      bool refused = false;
      try {
        subject.go([] {});
      } catch (const std::logic_error&) {
        refused = true;
      }
      expect(refused, "a stopped scheduler takes no tasks");
    }
    expect.verify();
  }
  CHECK(footprint::settled(before) == before);
}

TEST_CASE("threads that spawn while a scheduler is stopped and started") {
  const std::size_t rounds = csp_test::scaled(1'000);
  constexpr std::size_t most_alive = 500;
  expectations expect;
  std::atomic<std::size_t> alive{0};
  std::atomic<std::size_t> accepted{0};
  std::atomic<bool> over{false};
  csp::scheduler subject(with(2));
  std::vector<std::thread> spawners;
  for (int i = 0; i < 2; ++i) {
    spawners.emplace_back([&] {
      while (!over.load()) {
        if (alive.load() >= most_alive) {
          std::this_thread::yield();
          continue;
        }
        try {
          subject.go([mine = life(alive)] { csp::yield(); });
          accepted.fetch_add(1);
        } catch (const std::logic_error&) {
          std::this_thread::yield();
        }
      }
    });
  }
  for (std::size_t i = 0; i < rounds; ++i) {
    subject.start();
    std::this_thread::yield();
    subject.stop();
    // A spawner that was refused drops its callable a moment later.
    while (alive.load() > spawners.size()) {
      std::this_thread::yield();
    }
  }
  over.store(true);
  for (std::thread& each : spawners) {
    each.join();
  }
  expect(alive.load() == 0, "every callable was run or destroyed");
  expect(accepted.load() > 0, "some spawns were in time");
  expect.verify();
}
