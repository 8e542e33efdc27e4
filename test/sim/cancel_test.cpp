// Cancellation races what ends the wait otherwise: each wait has one outcome, and all who take part agree on it.
#include "test/sim/seeds.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>

using namespace std::chrono_literals;
using csp::testing::check;
using csp_test::on_seeds;

namespace {

constexpr std::uint64_t seeds = 10'000;

}  // namespace

TEST_CASE("sim, cancel against a send: the value was received, or is still the sender's") {
  on_seeds(seeds, [] {
    const csp::chan<std::unique_ptr<int>> channel;
    bool received = false;
    auto receiver = csp::spawn([&] {
      const auto value = channel.recv();
      received = value.has_value();
    });
    csp::wait_group other(1);
    csp::op_status sent = csp::op_status::ok;
    auto value = std::make_unique<int>(1);
    csp::go([&] {
      sent = channel.send_for(std::move(value), 1ms);
      other.done();
    });
    receiver.cancel();
    bool canceled = false;
    try {
      receiver.join();
    } catch (const csp::canceled&) {
      canceled = true;
    }
    other.wait();
    check(received == (sent == csp::op_status::ok), "both tell the same");
    check(received == (value == nullptr), "the value is in one place");
    check(received || canceled, "it received or was cancelled");
  });
}

TEST_CASE("sim, cancel against a waiting send: it was received, or is still the sender's") {
  on_seeds(seeds, [] {
    const csp::chan<std::unique_ptr<int>> channel;
    auto value = std::make_unique<int>(1);
    bool sent = false;
    auto sender = csp::spawn([&] {
      channel.send(std::move(value));
      sent = true;
    });
    auto receiver = csp::spawn([&] { return channel.recv_for(1ms).status == csp::op_status::ok; });
    sender.cancel();
    try {
      sender.join();
    } catch (const csp::canceled&) {
    }
    const bool received = receiver.join();
    check(received == (value == nullptr), "the value is in one place");
    check(!sent || received, "what was sent was received");
  });
}

TEST_CASE("sim, cancel against a select: one arm was done or none") {
  on_seeds(seeds, [] {
    const csp::chan<int> first;
    const csp::chan<int> second(1);
    second.send(7);
    int done = 0;
    auto chooser = csp::spawn([&] {
      csp::select(csp::on_recv(first, [&](std::optional<int>) { ++done; }), csp::on_send(second, 8, [&] { ++done; }),
                  csp::on_timeout(1ms));
    });
    auto sender = csp::spawn([&] { return first.send_for(1, 2ms) == csp::op_status::ok; });
    auto taker = csp::spawn([&] { return second.recv() == 7; });
    chooser.cancel();
    try {
      chooser.join();
    } catch (const csp::canceled&) {
    }
    const bool went_first = sender.join();
    check(taker.join(), "the oldest comes first");
    check(done <= 1, "at most one arm");
    check(done == (went_first ? 1 : 0) + static_cast<int>(second.size()), "what was done can be seen");
  });
}

TEST_CASE("sim, cancel against every other wait: it ends once, and what it waited for is not lost") {
  on_seeds(seeds, [] {
    csp::semaphore permits(0);
    int taken = 0;
    std::vector<csp::join_handle<void>> tasks;
    for (int i = 0; i < 3; ++i) {
      tasks.push_back(csp::spawn([&] {
        permits.acquire();
        ++taken;
      }));
    }
    csp::go([&] { permits.release(2); });
    tasks[1].cancel();
    int ended = 0;
    int canceled = 0;
    tasks[0].cancel();
    for (auto& task : tasks) {
      if (&task == &tasks[2]) {
        permits.release();
      }
      try {
        task.join();
        ++ended;
      } catch (const csp::canceled&) {
        ++canceled;
      }
    }
    int left = 0;
    csp::yield();
    while (permits.try_acquire_for(1ms)) {
      ++left;
    }
    check(ended == taken && ended + canceled == 3, "each has ended in one way");
    check(taken + left == 3, "no permit is lost, and none is made");
  });
}

TEST_CASE("sim, cancel against join and sleep: the joined task goes on, a sleeper wakes once") {
  on_seeds(seeds, [] {
    bool finished = false;
    auto worker = csp::spawn([&] {
      csp::sleep_for(1ms);
      finished = true;
    });
    auto joiner = csp::spawn([&] {
      try {
        worker.join();
        check(finished, "joined means ended");
      } catch (const csp::canceled&) {
        check(worker.joinable(), "its handle stays good");
        const csp::shield quiet;
        worker.join();
      }
      check(finished, "then it can be joined");
    });
    csp::sleep_for(csp::clock::duration(1ms));
    joiner.cancel();
    try {
      joiner.join();
    } catch (const csp::canceled&) {
    }
    if (worker.joinable()) {
      worker.join();
    }
    check(finished, "the joined task was not disturbed");
  });
}
