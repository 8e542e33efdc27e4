// The locked list of tasks that have not started: the newest spawner's first, and the oldest are reached too.
#include "sched/fresh_list.h"

#include "test/support/topologies.h"

#include <atomic>
#include <memory>
#include <set>
#include <thread>
#include <vector>

using csp::detail::fresh_list;
using csp::detail::task;

TEST_CASE("fresh_list: newest first, as many as asked for") {
  const auto tasks = std::make_unique<task[]>(10);
  fresh_list list;
  task* taken[10];
  CHECK(list.pop(taken, 10) == 0);
  CHECK(list.pop_aged(taken, 10) == 0);
  for (std::size_t i = 0; i < 10; ++i) {
    CHECK(list.size() == i);
    list.push(&tasks[i], &tasks[i]);
  }
  REQUIRE(list.pop(taken, 3) == 3);
  CHECK(list.size() == 7);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(taken[i] == &tasks[9 - i]);
  }
  REQUIRE(list.pop_aged(taken, 1) == 1);
  CHECK(taken[0] == &tasks[6]);
  list.push(&tasks[9], &list);
  REQUIRE(list.pop(taken, 10) == 7);
  CHECK(taken[0] == &tasks[9]);
  CHECK(taken[1] == &tasks[5]);
  CHECK(taken[6] == &tasks[0]);
  CHECK(list.size() == 0);
}

TEST_CASE("fresh_list: what one task has made comes in its order, before what others had made") {
  const auto tasks = std::make_unique<task[]>(7);
  const int parents[3]{};
  fresh_list list;
  list.push(&tasks[0], &parents[0]);
  list.push(&tasks[1], &parents[0]);
  list.push(&tasks[2], &parents[1]);
  list.push(&tasks[3], &parents[1]);
  list.push(&tasks[4], &parents[1]);
  task* taken[7];
  REQUIRE(list.pop(taken, 2) == 2);
  CHECK(taken[0] == &tasks[2]);
  CHECK(taken[1] == &tasks[3]);
  list.push(&tasks[5], &parents[1]);  // the same spawner goes on
  REQUIRE(list.pop(taken, 2) == 2);
  CHECK(taken[0] == &tasks[4]);
  CHECK(taken[1] == &tasks[5]);
  list.push(&tasks[6], &parents[1]);  // its earlier ones have gone
  REQUIRE(list.pop(taken, 7) == 3);
  CHECK(taken[0] == &tasks[6]);
  CHECK(taken[1] == &tasks[0]);
  CHECK(taken[2] == &tasks[1]);
}

TEST_CASE("fresh_list: what is aged comes out whatever is pushed meanwhile") {
  constexpr std::size_t old_ones = 20;
  const auto tasks = std::make_unique<task[]>(3 * old_ones);
  fresh_list list;
  for (std::size_t i = 0; i < old_ones; ++i) {
    list.push(&tasks[i], &tasks[i]);
  }
  std::set<task*> seen;
  for (std::size_t i = 0; i < old_ones; ++i) {
    task* taken = nullptr;
    REQUIRE(list.pop_aged(&taken, 1) == 1);
    seen.insert(taken);
    list.push(&tasks[old_ones + 2 * i], &list);
    list.push(&tasks[old_ones + 2 * i + 1], &list);
  }
  for (std::size_t i = 0; i < old_ones; ++i) {
    CHECK(seen.count(&tasks[i]) == 1);
  }
  CHECK(list.size() == 2 * old_ones);
}

TEST_CASE("fresh_list: many threads put and take; every task comes out once") {
  constexpr std::size_t makers = 3;
  const std::size_t each = csp_test::scaled(20'000);
  const auto tasks = std::make_unique<task[]>(makers * each);
  fresh_list list;
  std::vector<std::vector<task*>> taken(2);
  std::vector<std::thread> threads;
  for (std::size_t m = 0; m < makers; ++m) {
    threads.emplace_back([&, m] {
      for (std::size_t i = 0; i < each; ++i) {
        list.push(&tasks[m * each + i], &taken[i % 2]);
      }
    });
  }
  std::atomic<std::size_t> left{makers * each};
  for (std::size_t t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      while (left.load() != 0) {
        task* items[7];
        const std::uint32_t count = t == 0 ? list.pop(items, 7) : list.pop_aged(items, 7);
        taken[t].insert(taken[t].end(), items, items + count);
        left.fetch_sub(count);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  std::set<task*> all(taken[0].begin(), taken[0].end());
  all.insert(taken[1].begin(), taken[1].end());
  CHECK(all.size() == makers * each);
  CHECK(taken[0].size() + taken[1].size() == makers * each);
}
