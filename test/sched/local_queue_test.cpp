// The owner's part of the run queue: order, capacity, and that a thief at the same time takes nothing twice.
#include "sched/local_queue.h"

#include "test/support/topologies.h"

#include <atomic>
#include <cstdint>
#include <numeric>
#include <thread>
#include <vector>

using csp::detail::local_queue;

TEST_CASE("local_queue: the next item comes first or last, the others in order") {
  local_queue<int> queue;
  int values[4];
  CHECK(queue.pop(true) == nullptr);
  CHECK_FALSE(queue.has_items());
  REQUIRE(queue.push(&values[0]));
  REQUIRE(queue.push(&values[1]));
  CHECK(queue.exchange_next(&values[2]) == nullptr);
  CHECK(queue.exchange_next(&values[3]) == &values[2]);
  CHECK(queue.has_items());
  CHECK(queue.fifo_size() == 2);
  CHECK(queue.pop(false) == &values[0]);  // the FIFO has its turn
  CHECK(queue.pop(true) == &values[3]);
  CHECK(queue.pop(true) == &values[1]);
  CHECK(queue.pop(true) == nullptr);
  CHECK(queue.exchange_next(&values[0]) == nullptr);
  CHECK(queue.pop(false) == &values[0]);  // nothing else is there
  CHECK_FALSE(queue.has_items());
}

TEST_CASE("local_queue: the FIFO is short and says so, also after it has gone round") {
  constexpr std::uint32_t capacity = local_queue<int>::capacity;
  local_queue<int> queue;
  int values[capacity + 1];
  for (std::uint32_t shift = 0; shift < 2 * capacity + 1; ++shift) {
    for (std::uint32_t i = 0; i < capacity; ++i) {
      REQUIRE(queue.push(&values[i]));
    }
    REQUIRE_FALSE(queue.push(&values[capacity]));
    for (std::uint32_t i = 0; i < capacity; ++i) {
      REQUIRE(queue.pop(true) == &values[i]);
    }
    // Start the next round one slot further.
    REQUIRE(queue.push(&values[0]));
    REQUIRE(queue.pop(true) == &values[0]);
  }
}

TEST_CASE("local_queue: a thief takes the older half and the next item") {
  local_queue<int> queue;
  int values[6];
  int* taken[local_queue<int>::capacity];
  CHECK(queue.steal(taken) == 0);
  for (int i = 0; i < 5; ++i) {
    REQUIRE(queue.push(&values[i]));
  }
  CHECK(queue.exchange_next(&values[5]) == nullptr);
  REQUIRE(queue.steal(taken) == 4);
  CHECK(taken[0] == &values[0]);
  CHECK(taken[2] == &values[2]);
  CHECK(taken[3] == &values[5]);
  REQUIRE(queue.steal(taken) == 1);
  REQUIRE(queue.steal(taken) == 1);
  CHECK(taken[0] == &values[4]);
  CHECK(queue.steal(taken) == 0);
  CHECK_FALSE(queue.has_items());
}

TEST_CASE("local_queue: a turn takes the oldest, lets no thief in until it is over, and leaves `next` alone") {
  local_queue<int> queue;
  int values[3]{};
  int* taken[local_queue<int>::capacity];
  CHECK(queue.begin_turn() == nullptr);
  REQUIRE(queue.push(&values[0]));
  REQUIRE(queue.push(&values[1]));
  CHECK(queue.begin_turn() == &values[0]);
  CHECK(queue.steal(taken) == 0);
  queue.end_turn(&values[2]);
  CHECK(queue.fifo_size() == 2);
  CHECK(queue.begin_turn() == &values[1]);
  queue.end_turn();
  CHECK(queue.steal(taken) == 1);
  CHECK(taken[0] == &values[2]);
  CHECK(queue.exchange_next(&values[0]) == nullptr);
  REQUIRE(queue.push(&values[1]));
  CHECK(queue.begin_turn() == nullptr);
  CHECK(queue.pop(true) == &values[0]);
}

TEST_CASE("local_queue: owner and thieves account for every item") {
  const auto total = static_cast<std::uint32_t>(csp_test::scaled(1'000'000));
  for (const int thieves : {1, 3}) {
    local_queue<std::uint32_t> queue;
    std::vector<std::uint32_t> items(total);
    std::iota(items.begin(), items.end(), 0U);
    std::vector<std::atomic<int>> seen(total);
    std::atomic<std::uint32_t> stolen{0};
    std::atomic<bool> over{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < thieves; ++i) {
      threads.emplace_back([&] {
        std::uint32_t* taken[local_queue<std::uint32_t>::capacity];
        while (!over.load(std::memory_order_acquire)) {
          const std::uint32_t count = queue.steal(taken);
          for (std::uint32_t k = 0; k < count; ++k) {
            seen[*taken[k]].fetch_add(1, std::memory_order_relaxed);
          }
          stolen.fetch_add(count, std::memory_order_relaxed);
          std::this_thread::yield();
        }
      });
    }
    const auto note = [&](const std::uint32_t* item) {
      if (item != nullptr) {
        seen[*item].fetch_add(1, std::memory_order_relaxed);
      }
      return item != nullptr;
    };
    REQUIRE(queue.push(&items[0]));
    while (stolen.load() == 0) {  // the thieves are at work
      std::this_thread::yield();
    }
    for (std::uint32_t i = 1; i < total; ++i) {
      std::uint32_t* item = &items[i];
      if (i % 3 == 0) {
        item = queue.exchange_next(item);
      }
      while (item != nullptr && !queue.push(item)) {
        note(queue.pop(i % 2 == 0));
      }
      if (i % 4 == 0) {
        note(queue.pop(i % 8 == 0));
      }
    }
    while (note(queue.pop(true)) || queue.has_items()) {
    }
    over.store(true, std::memory_order_release);
    for (std::thread& thread : threads) {
      thread.join();
    }
    long wrong = 0;
    for (const std::atomic<int>& count : seen) {
      wrong += count.load() != 1 ? 1 : 0;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE(
    "local_queue: filled at once it is in order, wherever it begins; what is inserted comes first, in its order") {
  constexpr std::uint32_t capacity = local_queue<int>::capacity;
  local_queue<int> queue;
  int values[capacity + 2];
  int* items[capacity];
  for (std::uint32_t i = 0; i < capacity; ++i) {
    items[i] = &values[i];
  }
  for (std::uint32_t shift = 0; shift < 2 * capacity + 1; ++shift) {
    queue.fill(items, capacity);
    CHECK(queue.fifo_size() == capacity);
    REQUIRE_FALSE(queue.insert(&values[capacity]));
    REQUIRE(queue.pop(true) == items[0]);
    REQUIRE(queue.pop(true) == items[1]);
    REQUIRE(queue.insert(&values[capacity]));
    REQUIRE(queue.insert(&values[capacity + 1]));
    REQUIRE(queue.pop(true) == &values[capacity]);
    REQUIRE(queue.insert(&values[capacity]));  // behind the one that was inserted before
    REQUIRE(queue.pop(true) == &values[capacity + 1]);
    REQUIRE(queue.pop(true) == &values[capacity]);
    for (std::uint32_t i = 2; i < capacity; ++i) {
      REQUIRE(queue.pop(true) == items[i]);
    }
    // Start the next round one slot further.
    REQUIRE(queue.push(&values[0]));
    REQUIRE(queue.pop(true) == &values[0]);
  }
}
