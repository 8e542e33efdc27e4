// The monitor: a processor that is stuck in a blocking system call gets help, one that computes gets less of it, and
// with spares = 0 never more tasks run at once than there are processors.
#include "test/support/topologies.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>
#include <thread>

#include <unistd.h>

using namespace std::chrono_literals;

namespace {

csp::options with(unsigned processors, unsigned spares) {
  csp::options result;
  result.processors = processors;
  result.spares = spares;
  return result;
}

/// How many are inside at once, and the most there were.
class gauge {
 public:
  void enter() {
    const int now = ++inside_;
    int seen = most_.load();
    while (now > seen && !most_.compare_exchange_weak(seen, now)) {
    }
  }
  void leave() { --inside_; }
  [[nodiscard]] int most() const { return most_.load(); }

 private:
  std::atomic<int> inside_{0};
  std::atomic<int> most_{0};
};

// Runs `tasks` copies of `body` and returns how many were inside at once.
template <class Body>
int most_at_once(const csp::options& options, int tasks, Body body) {
  gauge inside;
  csp::run(options, [&] {
    csp::wait_group all(tasks);
    for (int i = 0; i < tasks; ++i) {
      csp::go([&] {
        inside.enter();
        body();
        inside.leave();
        all.done();
      });
    }
    all.wait();
  });
  return inside.most();
}

void compute(std::chrono::milliseconds length) {
  const auto until = std::chrono::steady_clock::now() + length;
  while (std::chrono::steady_clock::now() < until) {
  }
}

}  // namespace

TEST_CASE("spares: work goes on while the only processor is stuck in a system call") {
  bool ran_meanwhile = false;
  csp::run(with(1, 4), [&] {
    std::atomic<bool> stuck{true};
    csp::wait_group all(1);
    csp::go([&] {
      ran_meanwhile = stuck.load();
      all.done();
    });
    ::usleep(2'000'000);
    stuck = false;
    all.wait();
  });
  CHECK(ran_meanwhile);
}

TEST_CASE("spares: none by option, then nothing runs meanwhile") {
  bool ran_meanwhile = true;
  csp::run(with(1, 0), [&] {
    std::atomic<bool> stuck{true};
    csp::wait_group all(1);
    csp::go([&] {
      ran_meanwhile = stuck.load();
      all.done();
    });
    ::usleep(200'000);
    stuck = false;
    all.wait();
  });
  CHECK_FALSE(ran_meanwhile);
  CHECK(most_at_once(with(2, 0), 6, [] { ::usleep(50'000); }) <= 2);
  CHECK(most_at_once(with(1, 0), 4, [] { compute(50ms); }) == 1);
}

TEST_CASE("spares: several stuck processors get several, up to the limit") {
  const int most = most_at_once(with(1, 2), 6, [] { ::usleep(500'000); });
  CHECK(most <= 3);
  CHECK(most >= 2);
  CHECK(most_at_once(with(1, 4), 6, [] { ::usleep(500'000); }) > 2);
}

TEST_CASE("spares: for tasks that compute, one at the most") {
  CHECK(most_at_once(with(1, 4), 6, [] { compute(60ms); }) <= 2);
}

TEST_CASE("spares: a sleeper and a timer of a stuck processor are served") {
  bool woken_meanwhile = false;
  csp::run(with(1, 1), [&] {
    std::atomic<bool> stuck{true};
    csp::wait_group all(1);
    csp::go([&] {
      csp::sleep_for(20ms);
      woken_meanwhile = stuck.load();
      all.done();
    });
    csp::yield();  // the other one arms its timer
    ::usleep(2'000'000);
    stuck = false;
    all.wait();
  });
  CHECK(woken_meanwhile);
}

TEST_CASE("spares: a spare retires when it is needed no more, and another one comes when it is") {
  csp::run(with(1, 4), [&] {
    const auto settled = [](std::size_t wanted) {
      for (int i = 0; i < 1'000 && csp_test::footprint::now().threads != wanted; ++i) {
        csp::sleep_for(5ms);
      }
      return csp_test::footprint::now().threads;
    };
    // A thread of an earlier test may still be listed.
    std::size_t threads = csp_test::footprint::now().threads;
    for (int i = 0; i < 20; ++i) {
      csp::sleep_for(5ms);
      threads = std::min(threads, csp_test::footprint::now().threads);
    }
    for (int round = 0; round < 3; ++round) {
      std::atomic<std::size_t> seen{0};
      csp::wait_group all(1);
      csp::go([&] {
        seen = csp_test::footprint::now().threads;  // on the spare, so that it is there
        all.done();
      });
      for (int i = 0; i < 200 && seen == 0; ++i) {
        ::usleep(10'000);
      }
      CHECK(seen > threads);
      all.wait();
      CHECK(settled(threads) == threads);
    }
  });
}

TEST_CASE("spares: a pinned task of a stuck processor waits for it") {
  csp::run(with(1, 4), [&] {
    const pid_t home = ::gettid();
    csp::wait_group all(1);
    std::atomic<pid_t> ran_on{0};
    csp::go({.pinned = true}, [&] {
      ran_on = ::gettid();
      all.done();
    });
    ::usleep(100'000);
    const pid_t meanwhile = ran_on;
    all.wait();
    CHECK(meanwhile == 0);
    CHECK(ran_on == home);
  });
}

TEST_CASE("spares: a spare that armed a timer serves on until it has fired, and does not spin") {
  csp::run(with(1, 2), [] {
    csp::chan<void> gate;
    std::atomic<int> armed{0};
    // The main task is stuck, so spares run these; they end up with timers that are far away.
    for (int i = 0; i < 10; ++i) {
      csp::go([&, gate] {
        ++armed;
        csp::select(csp::on_recv(gate), csp::on_timeout(1h));
      });
    }
    for (int i = 0; i < 500 && armed < 10; ++i) {
      ::usleep(10'000);
    }
    REQUIRE(armed == 10);
    csp::sleep_for(300ms);  // the spares are asked to go
    const std::clock_t before = std::clock();
    csp::sleep_for(1'000ms);
    const double used = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
    CHECK(used < 0.5);
    gate.close();
  });
}

TEST_CASE("spares: run ends while spares come and go") {
  const std::size_t rounds = csp_test::scaled(20);
  std::size_t ended = 0;
  for (std::size_t round = 0; round < rounds; ++round) {
    csp::run(with(1, 3), [round] {
      csp::wait_group all(4);
      for (int i = 0; i < 4; ++i) {
        csp::go([&all] {
          ::usleep(15'000);
          all.done();
        });
      }
      if (round % 2 == 0) {
        all.wait();
        csp::sleep_for(std::chrono::milliseconds(round));
      } else {
        const csp::shield to_the_end;
        all.wait();
      }
    });
    ++ended;
  }
  CHECK(ended == rounds);
}
