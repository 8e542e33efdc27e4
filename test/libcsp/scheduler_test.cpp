// csp::scheduler objects: several at once, started, drained, stopped and started again; every thread is joined.
#include "test/support/topologies.h"

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

using csp_test::with;
using namespace std::chrono_literals;

TEST_CASE("scheduler: starts, drains, stops, and starts again") {
  const auto before = csp_test::footprint::now();
  for (const unsigned processors : {1U, 2U, 4U, 8U}) {
    csp::scheduler scheduler(with(processors));
    CHECK(scheduler.processors() == processors);
    CHECK(csp_test::footprint::now() == before);  // nothing runs yet
    for (int round = 0; round < 5; ++round) {
      scheduler.start();
      scheduler.start();  // does nothing
      std::atomic<int> ran{0};
      for (int i = 0; i < 100; ++i) {
        scheduler.go([&] {
          csp::yield();
          ++ran;
        });
      }
      scheduler.drain();
      CHECK(ran == 100);
      CHECK(scheduler.stats().spawned == 100);
      CHECK(scheduler.stats().finished == 100);
      scheduler.stop();
      scheduler.stop();  // does nothing
      CHECK(csp_test::footprint::settled(before) == before);
    }
  }
}

TEST_CASE("scheduler: what does not run takes no tasks") {
  csp::scheduler scheduler(with(1));
  CHECK_THROWS_AS(scheduler.go([] {}), std::logic_error);
  CHECK_THROWS_AS(scheduler.spawn([] { return 1; }), std::logic_error);
  scheduler.drain();
  scheduler.start();
  CHECK(scheduler.spawn([] { return 1; }).join() == 1);
  scheduler.stop();
  CHECK_THROWS_AS(scheduler.go([] {}), std::logic_error);
}

TEST_CASE("scheduler: bad options are refused when it is made") {
  CHECK_THROWS_AS(csp::scheduler(with(257)), std::invalid_argument);
  csp::options large;
  large.stack_size = 9U << 20;
  CHECK_THROWS_AS(csp::scheduler(large), std::invalid_argument);
}

TEST_CASE("scheduler: its life is for plain threads") {
  csp::scheduler other(with(1));
  csp::run(with(2), [&] {
    CHECK_THROWS_AS(other.start(), std::logic_error);
    CHECK_THROWS_AS(other.drain(), std::logic_error);
    CHECK_THROWS_AS(other.stop(), std::logic_error);
  });
}

TEST_CASE("scheduler: stop cancels what lives; destruction stops") {
  const auto before = csp_test::footprint::now();
  std::atomic<int> unwound{0};
  struct witness {
    std::atomic<int>& count;
    ~witness() { ++count; }
  };
  {
    csp::scheduler scheduler(with(2));
    scheduler.start();
    csp::wait_group waiting(10);
    for (int i = 0; i < 10; ++i) {
      scheduler.go([&] {
        const witness local{unwound};
        waiting.done();
        csp::sleep_for(24h);
      });
    }
    waiting.wait();
  }
  CHECK(unwound == 10);
  CHECK(csp_test::footprint::settled(before) == before);
}

TEST_CASE("scheduler: two at once, talking; each task stays on its own") {
  const auto before = csp_test::footprint::now();
  {
    csp::scheduler left(with(2));
    csp::scheduler right(with(1));
    left.start();
    right.start();
    constexpr int values = 2'000;
    csp::chan<int> there;
    csp::chan<int> back(4);
    left.go([=] {
      for (int i = 0; i < values; ++i) {
        there.send(i);
      }
      there.close();
    });
    right.go([=] {
      for (const int value : there) {
        back.send(2 * value);
      }
      back.close();
    });
    auto sum = left.spawn([=] {
      long result = 0;
      for (const int value : back) {
        result += value;
      }
      return result;
    });
    CHECK(sum.join() == static_cast<long>(values) * (values - 1));
    left.drain();
    right.drain();
    CHECK(left.stats().spawned == 2);
    CHECK(right.stats().spawned == 1);
    // A task spawns on its own scheduler, and on another one by name.
    left.spawn([&] {
          csp::spawn([] {}).join();
          right.spawn([] {}).join();
        })
        .join();
    left.drain();
    right.drain();
    CHECK(left.stats().finished == 4);
    CHECK(right.stats().finished == 2);
  }
  CHECK(csp_test::footprint::settled(before) == before);
}

TEST_CASE("scheduler: beside csp::run, which plain threads mean by csp::go") {
  csp::scheduler own(with(1));
  own.start();
  CHECK_THROWS_AS(csp::go([] {}), std::logic_error);
  csp::run(with(2), [&] {
    std::thread([&] {
      CHECK(csp::spawn([] { return csp::scheduler_statistics().spawned; }).join() >= 2);  // main and itself
    }).join();
    CHECK(own.spawn([] { return 8; }).join() == 8);
  });
  own.drain();
  CHECK(own.stats().spawned == 1);
  CHECK_THROWS_AS(csp::spawn([] {}), std::logic_error);
  CHECK_THROWS_AS(csp::scheduler_statistics(), std::logic_error);
}

TEST_CASE("scheduler: threads spawn while it stops: refused, or run or destroyed, but never lost") {
  const std::size_t rounds = csp_test::scaled(100);
  std::atomic<long> given{0};
  std::atomic<long> gone{0};
  struct owned {
    std::atomic<long>* gone;
    explicit owned(std::atomic<long>& counter) : gone(&counter) {}
    owned(owned&& other) noexcept : gone(std::exchange(other.gone, nullptr)) {}
    owned& operator=(owned&&) = delete;
    ~owned() {
      if (gone != nullptr) {
        ++*gone;
      }
    }
  };
  for (std::size_t round = 0; round < rounds; ++round) {
    csp::scheduler scheduler(with(2));
    scheduler.start();
    std::atomic<bool> first{false};
    std::thread outside([&] {
      for (;;) {
        try {
          ++given;
          scheduler.go([mine = owned(gone)] { csp::yield(); });
          first = true;
        } catch (const std::logic_error&) {
          first = true;
          return;
        }
      }
    });
    while (!first) {
      std::this_thread::yield();
    }
    scheduler.stop();
    outside.join();
  }
  CHECK(given == gone);
  CHECK(csp::tasks().empty());
}
