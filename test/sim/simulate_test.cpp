// The simulator itself: seeds, time, failures, schedules.
#include "test/support/catch.h"

#include <libcsp/csp.h>
#include <libcsp/testing.h>

#include <sys/socket.h>
#include <set>
#include <vector>

using namespace std::chrono_literals;
namespace testing = csp::testing;

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

TEST_CASE("simulate: a deadlock is told with who waits for what") {
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
