// The simulator itself: seeds, time, failures, schedules.
#include "test/sched/child.h"

#include <libcsp/csp.h>
#include <libcsp/testing.h>

#include <sys/socket.h>
#include <atomic>
#include <memory>
#include <set>
#include <vector>

using namespace std::chrono_literals;
namespace testing = csp::testing;
using csp_test::check_in_child;
using csp_test::in_child;

namespace {

/// Some of everything: producers and consumers over channels, a select, timers, locks.
void mixed_body() {
  csp::chan<int> values(2);
  csp::chan<void> over;
  csp::mutex lock;
  int sum = 0;
  csp::wait_group all;
  for (int id = 0; id < 3; ++id) {
    all.go([&, id] {
      for (int i = 0; i < 4; ++i) {
        values.send(10 * id + i);
        if (i % 2 == 0) csp::sleep_for(1ms);
      }
    });
    all.go([&] {
      for (int i = 0; i < 4; ++i) {
        csp::select(csp::on_recv(values,
                                 [&](std::optional<int> value) {
                                   const std::lock_guard guard(lock);
                                   sum += value.value_or(0);
                                 }),
                    csp::on_recv(over));
      }
    });
  }
  all.wait();
  testing::check(sum == 138, "the sum of all values");
}

}  // namespace

TEST_CASE("simulate: a seed gives one trace, again and again") {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    const auto first = testing::simulate(seed, mixed_body);
    REQUIRE(first.failure == "");
    for (int i = 0; i < 250; ++i) {
      const auto again = testing::simulate(seed, mixed_body);
      REQUIRE(again.trace_hash == first.trace_hash);
      REQUIRE(again.schedule == first.schedule);
      REQUIRE(again.steps == first.steps);
    }
  }
}

TEST_CASE("simulate: seeds differ, and all of them work") {
  std::set<std::uint64_t> traces;
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    const auto result = testing::simulate(seed, mixed_body);
    REQUIRE(result.failure == "");
    traces.insert(result.trace_hash);
  }
  CHECK(traces.size() > 450);
}

TEST_CASE("simulate: a run is replayed by its schedule") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const auto first = testing::simulate(seed, mixed_body);
    const auto again = testing::replay(seed, first.schedule, {}, mixed_body);
    REQUIRE(again.trace_hash == first.trace_hash);
    REQUIRE(again.schedule == first.schedule);
  }
}

TEST_CASE("simulate: time passes at once, and only when all wait") {
  const auto start = std::chrono::steady_clock::now();
  const auto result = testing::simulate(7, [] {
    const auto before = csp::clock::now();
    csp::sleep_for(1h);
    testing::check(csp::clock::now() - before == 1h, "an hour has passed");
    csp::spawn([] { csp::sleep_for(24h); }).join();
    for (int i = 0; i < 100; ++i) csp::yield();
    testing::check(csp::clock::now() - before == 25h, "and no more");
  });
  CHECK(result.failure == "");
  CHECK(result.elapsed == 25h);
  CHECK(std::chrono::steady_clock::now() - start < 1min);
}

TEST_CASE("simulate: a lost update is found, shortened and replayed") {
  const auto body = [] {
    int counter = 0;
    csp::wait_group both(2);
    for (int i = 0; i < 2; ++i) {
      csp::go([&] {
        const int seen = counter;
        testing::point();
        counter = seen + 1;
        both.done();
      });
    }
    both.wait();
    testing::check(counter == 2, "both counted");
  };
  try {
    testing::explore(10'000, body);
    FAIL("not found");
  } catch (const testing::simulation_failure& failure) {
    const std::string text = failure.what();
    CHECK(text.find("both counted") != std::string::npos);
    CHECK(text.find("CSP_SIM_SEED=" + std::to_string(failure.seed()) + "/" + failure.result().schedule) !=
          std::string::npos);
    const auto again = testing::replay(failure.seed(), failure.result().schedule, {}, body);
    CHECK(again.failure == failure.result().failure);
    CHECK(again.trace_hash == failure.result().trace_hash);
    const auto original = testing::simulate(failure.seed(), body);
    CHECK(failure.result().schedule.size() <= original.schedule.size());
  }
}

// Who waits for a lock cannot be cancelled: a simulation that has failed gives it up, with its stack.
TEST_CASE("simulate: a deadlock is told with who waits for what", "[gives-up-tasks]") {
  const auto body = [] {
    csp::mutex first;
    csp::mutex second;
    const auto take = [](csp::mutex& a, csp::mutex& b) {
      const std::lock_guard outer(a);
      const std::lock_guard inner(b);
    };
    auto other = csp::spawn({.name = "other"}, [&] { take(second, first); });
    take(first, second);
    other.join();
  };
  try {
    testing::explore(10'000, body);
    FAIL("not found");
  } catch (const testing::simulation_failure& failure) {
    const std::string text = failure.what();
    CHECK(text.find("deadlock") != std::string::npos);
    CHECK(text.find("'other'") != std::string::npos);
    CHECK(text.find("mutex lock") != std::string::npos);
  }
  CHECK(csp::tasks().empty());
}

TEST_CASE("simulate: what is left behind is a failure") {
  SECTION("a task") {
    const auto result = testing::simulate(1, [] {
      csp::chan<int> never;
      csp::go({.name = "forgotten"}, [=] { static_cast<void>(never.recv()); });
    });
    CHECK(result.failure.find("forgotten") != std::string::npos);
    CHECK(result.failure.find("chan receive") != std::string::npos);
  }
  SECTION("a timer") {
    static std::unique_ptr<csp::ticker> kept;
    const auto result = testing::simulate(1, [] { kept = std::make_unique<csp::ticker>(1s); });
    CHECK(result.failure.find("timer") != std::string::npos);
    kept.reset();
  }
  CHECK(csp::tasks().empty());
}

TEST_CASE("simulate: after a failure the main task ends last") {
  struct noted_end {
    std::vector<std::string>& ends;
    const char* name;
    ~noted_end() { ends.push_back(name); }
  };
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    std::vector<std::string> ends;
    const auto result = testing::simulate(seed, [&] {
      csp::chan<int> never;
      const noted_end main{ends, "main"};
      csp::go([&] {
        const noted_end outer{ends, "outer"};
        csp::go([&] {
          const noted_end inner{ends, "inner"};
          static_cast<void>(never.recv());
        });
        csp::sleep_for(1h);
        testing::check(false, "by intent");
        static_cast<void>(never.recv());
      });
      static_cast<void>(never.recv());
    });
    REQUIRE(result.failure.find("by intent") != std::string::npos);
    REQUIRE(ends.size() == 3);
    REQUIRE(ends.back() == "main");
  }
}

TEST_CASE("simulate: exceptions and endless loops are failures") {
  CHECK(testing::simulate(1, [] { throw std::runtime_error("lost"); }).failure.find("lost") != std::string::npos);
  const auto detached = testing::simulate(3, [] {
    csp::go({.name = "thrower"}, [] { throw std::runtime_error("thrown"); });
    csp::sleep_for(1s);
  });
  CHECK(detached.failure.find("thrown") != std::string::npos);
  CHECK(detached.failure.find("'thrower'") != std::string::npos);
  testing::simulation_options options;
  options.most_steps = 1000;
  const auto endless = testing::simulate(1, options, [] {
    for (;;) csp::yield();
  });
  CHECK(endless.failure.find("no end after 1000 steps") != std::string::npos);
}

TEST_CASE("simulate: an exception that the caller is handling stays the caller's") {
  bool again = false;
  try {
    throw std::runtime_error("the caller's");
  } catch (const std::runtime_error&) {
    CHECK(testing::simulate(2, mixed_body).passed());
    try {
      throw;
    } catch (const std::runtime_error& error) {
      again = std::string(error.what()) == "the caller's";
    }
  }
  CHECK(again);
}

TEST_CASE("simulate: a loop that looks at a flag sees it set, whatever the choices") {
  bool yields = false;
  const auto body = [&] {
    const auto set = std::make_shared<std::atomic<bool>>(false);
    csp::go([set] {
      for (int i = 0; i < 3; ++i) csp::yield();
      *set = true;
    });
    while (!*set) {
      if (yields) {
        csp::yield();
      } else {
        testing::point();
      }
    }
  };
  testing::simulation_options options;
  options.most_steps = 20'000;
  options.processors = 3;
  for (const bool each : {true, false}) {
    yields = each;
    for (const auto strategy : {testing::strategy::random_walk, testing::strategy::priorities}) {
      options.choices = strategy;
      for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
        REQUIRE(testing::simulate(seed, options, body).failure == "");
      }
    }
    CHECK(testing::replay(1, "", options, body).failure == "");
    CHECK(testing::replay(1, "0:1,2:1", options, body).failure == "");
  }
}

// In a child: what is given up keeps its stack.
TEST_CASE("simulate: tasks that never end are given up, and are no part of what comes next") {
  const auto child = in_child([] {
    testing::simulation_options options;
    options.most_steps = 1000;
    const auto result = testing::simulate(1, options, [] {
      csp::go([] {
        const csp::shield never_cancelled;
        for (;;) csp::yield();
      });
      csp::go([] {
        const csp::shield never_cancelled;
        static_cast<void>(csp::chan<int>().recv());
      });
      // Not for (;;): the compiler may take a loop without effects for one that ends.
      for (std::atomic<int> i{0}; i >= 0;) testing::point();
    });
    check_in_child(result.failure.find("no end after 1000 steps") == 0, result.failure);
    check_in_child(csp::tasks().empty(), "a task is listed");
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
      const auto next = testing::simulate(seed, mixed_body);
      check_in_child(next.passed() && next.steps < 1000, next.failure);
    }
  });
  INFO(child.text);
  CHECK(child.exited_with(0));
}

TEST_CASE("simulate: a failure frees those that wait for a mutex") {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    int ended = 0;
    const auto result = testing::simulate(seed, [&] {
      csp::mutex lock;
      struct counted_end {
        int& count;
        ~counted_end() { ++count; }
      };
      csp::wait_group three;
      for (int i = 0; i < 3; ++i) {
        three.go([&] {
          const counted_end end{ended};
          const std::lock_guard guard(lock);
          lock.lock();
          lock.unlock();
        });
      }
      three.wait();
    });
    REQUIRE(result.failure.find("deadlock") == 0);
    REQUIRE(ended == 3);
    REQUIRE(csp::tasks().empty());
  }
}

TEST_CASE("simulate: the unlock of a mutex that is not held is a failure") {
  const auto result = testing::simulate(1, [] {
    csp::mutex lock;
    lock.unlock();
    const std::lock_guard guard(lock);
  });
  CHECK(result.failure.find("csp::mutex: unlocked by") == 0);
}

TEST_CASE("simulate: white space in a schedule does not count") {
  const auto first = testing::simulate(2, mixed_body);
  std::string broken = first.schedule;
  REQUIRE(broken.find(',') != std::string::npos);
  broken.insert(broken.find(',') + 1, "\n  ");
  CHECK(testing::replay(2, broken, {}, mixed_body).trace_hash == first.trace_hash);
}

TEST_CASE("simulate: a task that was given up runs no more, not in a later run on the same processors either",
          "[gives-up-tasks]") {
  testing::simulation_options options;
  options.most_steps = 1000;
  static std::atomic<int> steps{0};
  const auto stubborn = testing::simulate(1, options, [] {
    csp::go([] {
      for (;;) {
        try {
          csp::sleep_for(1ms);  // no end: it does not let itself be cancelled
        } catch (const csp::canceled&) {
          csp::shield quiet;
          csp::sleep_for(1ms);
        }
      }
    });
    for (;;) {
      ++steps;
      testing::point();
    }
  });
  CHECK_FALSE(stubborn.passed());
  const int before = steps;
  for (const unsigned processors : {1U, 4U}) {
    csp::options real;
    real.processors = processors;
    CHECK(csp::run(real, [] { return csp::spawn([] { return 2; }).join(); }) == 2);
    CHECK(testing::simulate(2, mixed_body).passed());
  }
  CHECK(steps == before);
}

TEST_CASE("simulate: misuse") {
  CHECK_THROWS_AS(testing::replay(1, "1:", {}, [] {}), std::invalid_argument);
  CHECK_THROWS_AS(testing::replay(1, "2:1,1:1", {}, [] {}), std::invalid_argument);
  testing::simulation_options options;
  options.processors = 65;
  CHECK_THROWS_AS(testing::simulate(1, options, [] {}), std::invalid_argument);
  CHECK_THROWS_AS(testing::check(false, "outside"), std::logic_error);
  csp::run([] {
    bool refused = false;
    try {
      static_cast<void>(testing::simulate(1, [] {}));
    } catch (const std::logic_error&) {
      refused = true;
    }
    if (!refused) std::abort();
  });
  CHECK_FALSE(testing::simulating());
}

TEST_CASE("simulate: a wait for a real file descriptor is refused") {
  const auto result = testing::simulate(5, [] {
    int ends[2];
    testing::check(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "made");
    auto first = csp::net::stream::adopt(ends[0]).value();
    const auto second = csp::net::stream::adopt(ends[1]).value();
    char byte = 0;
    testing::check(first.read(&byte, 1).error() == std::errc::not_supported, "the error");
  });
  CHECK(result.failure.find("a wait to read at file descriptor ") == 0);
  CHECK(result.failure.find("there is no real I/O in a simulation") != std::string::npos);
}

TEST_CASE("simulate: blocking calls run in place") {
  const auto result = testing::simulate(5, [] {
    testing::check(csp::blocking([] { return 7; }) == 7, "its value");
    testing::check(testing::simulating(), "inside");
  });
  CHECK(result.failure == "");
}
