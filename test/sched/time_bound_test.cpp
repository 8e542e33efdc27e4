// A time that is not before now: never early, never far ahead, and the clock's own where that is asked for.
#include "sched/time_bound.h"

#include "sched/base/clock.h"
#include "sched/base/cycle_counter.h"

#include "test/support/catch.h"

#include <algorithm>

using namespace csp::detail;

TEST_CASE("time_bound: exact, it is the clock") {
  nanos time = 5;
  int reads = 0;
  const auto clock = [&] {
    ++reads;
    return time;
  };
  time_bound bound;
  CHECK(bound.get(clock) == 5);
  time = 7;
  CHECK(bound.get(clock) == 7);
  time = 6;
  CHECK(bound.get(clock) == 6);
  CHECK(reads == 3);
}

TEST_CASE("time_bound: never before now, and ahead by no more than it says") {
  if (!cycles_measure_time()) {
    WARN("SKIPPED: there is no counter that measures time here");
    return;
  }
  time_bound bound;
  bound.reset(false);
  int reads = 0;
  int early = 0;
  int calls = 0;
  nanos farthest = 0;
  const nanos end = steady_now() + 20'000'000;
  for (nanos before = steady_now(); before < end; before = steady_now()) {
    const nanos told = bound.get([&reads] {
      ++reads;
      return steady_now();
    });
    const nanos after = steady_now();
    early += told < before ? 1 : 0;
    farthest = std::max(farthest, told - after);
    ++calls;
  }
  CHECK(early == 0);
  CHECK(farthest <= time_bound::most_ahead);
  // It reads the clock when the bound could be farther ahead, and not each time.
  CHECK(reads > 1);
  CHECK(reads < calls / 2);
  // What it knows is forgotten.
  const int before = reads;
  bound.reset(false);
  CHECK(bound.get([&reads] {
    ++reads;
    return nanos{42};
  }) == 42);
  CHECK(reads == before + 1);
}
