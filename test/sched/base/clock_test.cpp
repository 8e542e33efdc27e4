// Conversions to nanoseconds: rounded up, saturating, exact where they can be.
#include "sched/base/clock.h"

#include "test/support/catch.h"

#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>

using namespace csp::detail;
using namespace std::chrono;

namespace {
constexpr nanos lowest = std::numeric_limits<nanos>::min();
using picoseconds = duration<std::int64_t, std::pico>;
using float_seconds = duration<double>;
}  // namespace

TEST_CASE("clock: durations become nanoseconds exactly") {
  CHECK(to_nanos(nanoseconds(0)) == 0);
  CHECK(to_nanos(nanoseconds(-7)) == -7);
  CHECK(to_nanos(microseconds(3)) == 3'000);
  CHECK(to_nanos(hours(24 * 365)) == 31'536'000'000'000'000);
  CHECK(to_nanos(float_seconds(0.25)) == 250'000'000);
  CHECK(to_nanos(duration<std::int8_t, std::kilo>(100)) == 100'000'000'000'000);
  CHECK(to_nanos(duration<std::uint8_t, std::milli>(200)) == 200'000'000);
  // No precision is lost near the limits.
  CHECK(to_nanos(nanoseconds((nanos{1} << 62) + 1)) == (nanos{1} << 62) + 1);
  CHECK(to_nanos(nanoseconds(never - 1)) == never - 1);
  CHECK(to_nanos(nanoseconds(lowest + 1)) == lowest + 1);
}

TEST_CASE("clock: fractions are rounded up, so that nobody wakes early") {
  CHECK(to_nanos(picoseconds(1)) == 1);
  CHECK(to_nanos(picoseconds(1'000)) == 1);
  CHECK(to_nanos(picoseconds(1'001)) == 2);
  CHECK(to_nanos(picoseconds(-1)) == 0);
  CHECK(to_nanos(picoseconds(-1'001)) == -1);
  CHECK(to_nanos(duration<double, std::nano>(0.5)) == 1);
}

TEST_CASE("clock: what is too long is never, what is too far back is the beginning") {
  CHECK(to_nanos(nanoseconds::max()) == never);
  CHECK(to_nanos(microseconds::max()) == never);
  CHECK(to_nanos(hours::max()) == never);
  CHECK(to_nanos(duration<std::int64_t, std::ratio<31'556'952>>::max()) == never);
  CHECK(to_nanos(duration<std::uint64_t>(std::numeric_limits<std::uint64_t>::max())) == never);
  CHECK(to_nanos(duration<std::uint64_t, std::nano>(std::numeric_limits<std::uint64_t>::max())) == never);
  CHECK(to_nanos(float_seconds(1e30)) == never);
  CHECK(to_nanos(float_seconds(std::numeric_limits<double>::infinity())) == never);
  CHECK(to_nanos(float_seconds(std::nan(""))) == never);
  CHECK(to_nanos(nanoseconds::min()) == lowest);
  CHECK(to_nanos(hours::min()) == lowest);
  CHECK(to_nanos(float_seconds(-std::numeric_limits<double>::infinity())) == lowest);
  CHECK(to_nanos(steady_clock::time_point::max()) == never);
  CHECK(to_nanos(steady_clock::time_point::min()) == lowest);
}

TEST_CASE("clock: sums saturate at both ends") {
  CHECK(add_saturating(40, 2) == 42);
  CHECK(add_saturating(40, -50) == -10);
  CHECK(add_saturating(1, never) == never);
  CHECK(add_saturating(never, never) == never);
  CHECK(add_saturating(never, -1) == never - 1);
  CHECK(add_saturating(-2, lowest) == lowest);
  CHECK(add_saturating(lowest, never) == -1);
}

TEST_CASE("clock: the steady source is the steady clock") {
  const nanos before = to_nanos(steady_clock::now());
  const nanos first = steady_source().now();
  const nanos second = steady_now();
  const nanos after = to_nanos(steady_clock::now());
  CHECK(before <= first);
  CHECK(first <= second);
  CHECK(second <= after);
}
