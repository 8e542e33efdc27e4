// 08: tests of concurrent code that try a thousand schedules, and wait for an hour in no time.
//
// Teaches: csp::testing::explore, which repeats a test in a simulation until it finds a schedule in
// which it fails; check; virtual time; replay.
// The subjects: a queue with one place, once with a mistake, and a loop that tries ever more rarely.

#include <libcsp/csp.h>
#include <libcsp/testing.h>

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <utility>

using namespace std::chrono_literals;
namespace testing = csp::testing;

enum class wakes { one, all };

struct queue {
  void push(int value) {
    std::unique_lock guard(lock);
    changed.wait(guard, [&] { return !place; });
    place = value;
    notify();
  }
  int pop() {
    std::unique_lock guard(lock);
    changed.wait(guard, [&] { return place.has_value(); });
    notify();
    return std::exchange(place, std::nullopt).value();
  }
  // Producers and consumers wait for the same condition: one wake may go to the wrong side.
  void notify() { whom == wakes::one ? changed.notify_one() : changed.notify_all(); }

  const wakes whom;
  csp::mutex lock{};
  csp::condition_variable changed{};
  std::optional<int> place{};
};

// Two producers and two consumers. Whoever comes first, each value arrives once.
void test_queue(wakes whom) {
  queue values{whom};
  std::atomic<int> sum{0};
  csp::wait_group all;
  for (int value : {1, 2}) {
    all.go([&, value] {
      values.push(value);
      values.push(10 * value);
    });
    all.go([&] { sum += values.pop() + values.pop(); });
  }
  all.wait();
  testing::check(sum == 33, "each value has arrived once");
}

// An operation that never succeeds is tried after 1, 2, 4 ... seconds, for an hour.
void test_retries() {
  const auto start = csp::clock::now();
  int tries = 1;
  for (auto pause = 1s; csp::clock::now() < start + 1h; pause *= 2, ++tries) {
    csp::sleep_until(std::min(csp::clock::now() + pause, start + 1h));
  }
  testing::check(csp::clock::now() - start == 1h, "it gives up after an hour, to the nanosecond");
  testing::check(tries == 13, "the first try and twelve more");
}

int main() {
  const auto faulty = [] { test_queue(wakes::one); };
  try {
    testing::explore(1000, faulty);
  } catch (const testing::simulation_failure& found) {  // what() tells everything
    const auto again = testing::replay(found.seed(), found.result().schedule, {}, faulty);
    fmt::print("wakes one: {}\n", found.result().failure.substr(0, 8));
    fmt::print("replayed: {}\n", again.trace_hash == found.result().trace_hash ? "same" : "other");
  }
  fmt::print("wakes all: {} runs\n", testing::explore(1000, [] { test_queue(wakes::all); }).runs);
  fmt::print("an hour: {} runs\n", testing::explore(100, test_retries).runs);
}
