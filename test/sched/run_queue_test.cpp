// The stealable ring against a model and with thieves at work: every item comes out exactly once, oldest first.
#include "sched/run_queue.h"

#include "test/support/topologies.h"

#include <atomic>
#include <cstdint>
#include <deque>
#include <numeric>
#include <thread>
#include <vector>

using csp::detail::run_queue;

namespace {

// An atomic whose 32-bit indices start shortly before they wrap.
template <class T>
class late_atomic {
 public:
  constexpr late_atomic() = default;
  explicit(false) constexpr late_atomic(T value) : value_(value + start()) {}
  T load(std::memory_order order) const { return value_.load(order); }
  void store(T value, std::memory_order order) { value_.store(value, order); }
  bool compare_exchange_weak(T& expected, T wanted, std::memory_order success, std::memory_order failure) {
    return value_.compare_exchange_weak(expected, wanted, success, failure);
  }

 private:
  static constexpr T start() {
    if constexpr (std::is_same_v<T, std::uint32_t>) {
      return 0xFFFFFFF0U;
    } else {
      return T{};
    }
  }
  std::atomic<T> value_{};
};

// Owner pushes and pops, thieves steal; returns how often each of `total` items came out, and in `disorder` how many
// came to somebody after a younger one.
template <class Queue>
std::vector<int> run_owner_and_thieves(std::uint32_t total, int thieves, std::uint32_t limit, long& disorder) {
  Queue queue;
  std::vector<std::uint32_t> items(total);
  std::iota(items.begin(), items.end(), 0U);
  std::vector<std::atomic<int>> seen(total);
  std::atomic<bool> over{false};
  std::atomic<long> late{0};
  const auto note = [&](std::uint32_t* const* taken, std::uint32_t count, std::int64_t& last) {
    for (std::uint32_t i = 0; i < count; ++i) {
      seen[*taken[i]].fetch_add(1, std::memory_order_relaxed);
      late.fetch_add(*taken[i] <= last ? 1 : 0, std::memory_order_relaxed);
      last = *taken[i];
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < thieves; ++i) {
    threads.emplace_back([&] {
      std::uint32_t* taken[64];
      std::int64_t last = -1;
      while (!over.load(std::memory_order_acquire)) {
        const std::uint32_t count = queue.steal(taken, limit);
        note(taken, count, last);
        if (count == 0) {
          std::this_thread::yield();
        }
      }
    });
  }
  std::uint32_t* taken[64];
  std::int64_t last = -1;
  for (std::uint32_t i = 0; i < total;) {
    if (queue.push(&items[i])) {
      ++i;
    } else {
      note(taken, queue.pop(taken, 1), last);
    }
    if (i % 5 == 0) {
      note(taken, queue.pop(taken, 2), last);
    }
  }
  while (const std::uint32_t count = queue.pop(taken, 64)) {
    note(taken, count, last);
  }
  over.store(true, std::memory_order_release);
  for (std::thread& thread : threads) {
    thread.join();
  }
  disorder = late.load();
  return {seen.begin(), seen.end()};
}

long not_once(const std::vector<int>& seen) {
  long wrong = 0;
  for (const int count : seen) {
    wrong += count != 1 ? 1 : 0;
  }
  return wrong;
}

}  // namespace

TEMPLATE_TEST_CASE("run_queue: behaves as a bounded FIFO", "", (run_queue<int, 4>), (run_queue<int, 4, late_atomic>),
                   (run_queue<int, 1>), (run_queue<int, 64>)) {
  TestType queue;
  std::vector<int> values(2'000);
  std::deque<int*> model;
  std::size_t capacity = 0;
  while (queue.push(&values[capacity])) {
    model.push_back(&values[capacity++]);
  }
  CHECK((capacity == 1 || capacity == 4 || capacity == 64));
  std::size_t next = capacity;
  std::uint32_t random = 1;
  while (next < values.size()) {
    random = random * 1'664'525U + 1'013'904'223U;
    REQUIRE(queue.size() == model.size());
    if ((random >> 16) % 2 == 0) {
      const bool fits = queue.push(&values[next]);
      REQUIRE(fits == (model.size() < capacity));
      if (fits) {
        model.push_back(&values[next]);
      }
      ++next;
      continue;
    }
    int* taken[64];
    const std::uint32_t limit = 1 + (random >> 18) % 3;
    const bool steal = (random >> 17) % 2 == 0;
    const std::size_t there = steal ? model.size() - model.size() / 2 : model.size();
    const std::uint32_t count = steal ? queue.steal(taken, limit) : queue.pop(taken, limit);
    REQUIRE(count == std::min<std::size_t>(there, limit));
    for (std::uint32_t i = 0; i < count; ++i) {
      REQUIRE(taken[i] == model.front());
      model.pop_front();
    }
  }
}

TEST_CASE("run_queue: a thief takes half, rounded up, and no more than its limit") {
  run_queue<int, 8> queue;
  int values[8];
  int* taken[8];
  CHECK(queue.steal(taken, 8) == 0);
  for (int& value : values) {
    REQUIRE(queue.push(&value));
  }
  CHECK(queue.steal(taken, 8) == 4);
  CHECK(taken[0] == &values[0]);
  CHECK(taken[3] == &values[3]);
  CHECK(queue.steal(taken, 1) == 1);
  CHECK(queue.steal(taken, 8) == 2);
  CHECK(taken[0] == &values[5]);
  CHECK(queue.steal(taken, 8) == 1);
  CHECK(queue.size() == 0);
}

TEMPLATE_TEST_CASE("run_queue: its owner sees how much room there is, and the items at the head", "",
                   (run_queue<int, 4>), (run_queue<int, 4, late_atomic>)) {
  TestType queue;
  int values[64];
  std::deque<int*> model;
  const auto glance = [&queue](std::uint32_t limit) {
    std::deque<int*> seen;
    queue.glance(limit, [&seen](int* item) { seen.push_back(item); });
    return seen;
  };
  CHECK(glance(4).empty());
  for (int& value : values) {
    REQUIRE(queue.has_room() == (model.size() < 4));
    if (!queue.has_room()) {
      REQUIRE_FALSE(queue.push(&value));
      int* taken[1];
      REQUIRE(queue.pop(taken, 1) == 1);
      model.pop_front();
    }
    REQUIRE(queue.push(&value));
    model.push_back(&value);
    CHECK(glance(100) == model);
    CHECK(glance(1) == std::deque<int*>{model.front()});
    CHECK(glance(0).empty());
  }
}

TEMPLATE_TEST_CASE("run_queue: owner and thieves account for every item", "", (run_queue<std::uint32_t, 2>),
                   (run_queue<std::uint32_t, 4, late_atomic>), (run_queue<std::uint32_t, 256>)) {
  const auto total = static_cast<std::uint32_t>(csp_test::scaled(400'000));
  for (const int thieves : {1, 3}) {
    for (const std::uint32_t limit : {1U, 64U}) {
      long disorder = 0;
      const std::vector<int> seen = run_owner_and_thieves<TestType>(total, thieves, limit, disorder);
      CHECK(not_once(seen) == 0);
      CHECK(disorder == 0);
    }
  }
}
