// The locked list of tasks: a FIFO that never refuses, for any number of threads.
#include "sched/task_list.h"

#include "test/support/topologies.h"

#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

using csp::detail::task;
using csp::detail::task_list;

TEST_CASE("task_list: oldest first, as many as asked for") {
  const auto tasks = std::make_unique<task[]>(10);
  task_list list;
  task* taken[10];
  CHECK(list.pop(taken, 10) == 0);
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < 10; ++i) {
      CHECK(list.size() == i);
      list.push(&tasks[i]);
    }
    REQUIRE(list.pop(taken, 3) == 3);
    CHECK(list.size() == 7);
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(taken[i] == &tasks[i]);
    }
    list.push(&tasks[0]);
    REQUIRE(list.pop(taken, 10) == 8);
    for (std::size_t i = 0; i < 7; ++i) {
      CHECK(taken[i] == &tasks[i + 3]);
    }
    CHECK(taken[7] == &tasks[0]);
    CHECK(list.size() == 0);
  }
}

TEST_CASE("task_list: one at a time, telling the two that follow") {
  const auto tasks = std::make_unique<task[]>(3);
  task_list list;
  std::array<task*, 2> following{};
  CHECK(list.pop(following) == nullptr);
  for (std::size_t i = 0; i < 3; ++i) {
    list.push(&tasks[i]);
  }
  CHECK(list.pop(following) == &tasks[0]);
  CHECK(following == std::array{&tasks[1], &tasks[2]});
  CHECK(list.pop(following) == &tasks[1]);
  CHECK(following == std::array<task*, 2>{&tasks[2], nullptr});
  CHECK(list.pop(following) == &tasks[2]);
  CHECK(following == std::array<task*, 2>{});
  CHECK(list.size() == 0);
  list.push(&tasks[1]);
  CHECK(list.pop(following) == &tasks[1]);
}

TEST_CASE("task_list: many threads put and take; every task comes out once, in its maker's order") {
  constexpr std::size_t makers = 3;
  constexpr std::size_t takers = 3;
  const std::size_t each = csp_test::scaled(100'000);
  const auto tasks = std::make_unique<task[]>(makers * each);
  for (std::size_t i = 0; i < makers * each; ++i) {
    tasks[i].id.set(i);
  }
  task_list list;
  std::vector<std::atomic<int>> seen(makers * each);
  std::atomic<std::size_t> out{0};
  std::atomic<long> disorder{0};
  std::vector<std::thread> threads;
  for (std::size_t maker = 0; maker < makers; ++maker) {
    threads.emplace_back([&, maker] {
      for (std::size_t i = 0; i < each; ++i) {
        list.push(&tasks[maker * each + i]);
      }
    });
  }
  for (std::size_t taker = 0; taker < takers; ++taker) {
    threads.emplace_back([&] {
      std::vector<std::int64_t> last(makers, -1);
      task* taken[16];
      while (out.load(std::memory_order_relaxed) < makers * each) {
        const std::uint32_t count = list.pop(taken, 16);
        for (std::uint32_t i = 0; i < count; ++i) {
          const std::uint64_t id = taken[i]->id.get();
          seen[id].fetch_add(1, std::memory_order_relaxed);
          disorder.fetch_add(static_cast<std::int64_t>(id) <= last[id / each] ? 1 : 0, std::memory_order_relaxed);
          last[id / each] = static_cast<std::int64_t>(id);
        }
        out.fetch_add(count, std::memory_order_relaxed);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  long wrong = 0;
  for (const std::atomic<int>& count : seen) {
    wrong += count.load() != 1 ? 1 : 0;
  }
  CHECK(wrong == 0);
  CHECK(disorder.load() == 0);
  CHECK(list.size() == 0);
}
