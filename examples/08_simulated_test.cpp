// 08: tests of concurrent code that try a thousand schedules, and wait for an hour in no time.
//
// Teaches: csp::testing::explore, which runs a test again and again in a simulation and finds the
// schedule in which it fails; check; virtual time; how a failure is told and replayed.
// The subjects: a bounded queue, once with a mistake, and a loop that tries again ever more rarely.

#include <libcsp/csp.h>
#include <libcsp/testing.h>

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <mutex>

using namespace std::chrono_literals;
namespace testing = csp::testing;

enum class wakes { one, all };

class bounded_queue {
 public:
  bounded_queue(std::size_t capacity, wakes whom) : capacity_(capacity), whom_(whom) {}

  void push(int value) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return values_.size() < capacity_; });
    values_.push_back(value);
    notify();
  }

  int pop() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !values_.empty(); });
    const int value = values_.front();
    values_.pop_front();
    notify();
    return value;
  }

 private:
  // Producers and consumers wait for the same condition. One wake may go to the wrong side.
  void notify() { whom_ == wakes::one ? changed_.notify_one() : changed_.notify_all(); }

  const std::size_t capacity_;
  const wakes whom_;
  csp::mutex mutex_;
  csp::condition_variable changed_;
  std::deque<int> values_;
};

// The test: two producers and two consumers; whatever they do, each value arrives once.
void test_queue(wakes whom) {
  bounded_queue queue(1, whom);
  std::atomic<int> sum{0};
  csp::wait_group all;
  for (int value : {1, 2}) {
    all.go([&, value] {
      queue.push(value);
      queue.push(10 * value);
    });
    all.go([&] { sum += queue.pop() + queue.pop(); });
  }
  all.wait();
  testing::check(sum == 33, "each value has arrived once");
}

// Calls until that succeeds, with pauses of one second, two, four ...; false after an hour.
template <class Operation>
bool try_for_an_hour(Operation operation) {
  const auto deadline = csp::clock::now() + 1h;
  for (auto pause = 1s; !operation(); pause *= 2) {
    if (csp::clock::now() >= deadline) return false;
    csp::sleep_until(std::min(csp::clock::now() + pause, deadline));
  }
  return true;
}

void test_retry() {
  const auto start = csp::clock::now();
  int calls = 0;
  testing::check(!try_for_an_hour([&] { return ++calls > 100; }), "it gives up");
  testing::check(csp::clock::now() - start == 1h, "after an hour, to the nanosecond");
  testing::check(calls == 13, "which is 1 + 12 calls");
}

int main() {
  try {
    testing::explore(1000, [] { test_queue(wakes::one); });
  } catch (const testing::simulation_failure& failure) {
    // failure.what() says who waits for what, and how to replay the run.
    const auto again = testing::replay(failure.seed(), failure.result().schedule, {}, [] { test_queue(wakes::one); });
    fmt::print("wakes one: {}\n", failure.result().failure.substr(0, 8));
    fmt::print("replayed: {}\n", again.trace_hash == failure.result().trace_hash ? "the same" : "another");
  }
  fmt::print("wakes all: {} runs passed\n", testing::explore(1000, [] { test_queue(wakes::all); }).runs);
  fmt::print("an hour of retries: {} runs passed\n", testing::explore(100, test_retry).runs);
}
