// The entrance for plain threads: nothing is lost, and a count above zero is a promise.
#include "sched/injector.h"

#include "test/support/topologies.h"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

using csp::detail::injector;
using csp::detail::task;

TEST_CASE("injector: one producer's tasks come out in order") {
  const auto tasks = std::make_unique<task[]>(100);
  injector queue;
  task* taken[100];
  CHECK(queue.pop(taken, 100) == 0);
  for (std::size_t i = 0; i < 100; ++i) {
    queue.push(tasks[i]);
    CHECK(queue.size() == i + 1);
  }
  std::size_t out = 0;
  while (out < 100) {
    const std::uint32_t count = queue.pop(taken, 7);
    REQUIRE(count > 0);
    REQUIRE(count <= 7);
    for (std::uint32_t i = 0; i < count; ++i) {
      REQUIRE(taken[i] == &tasks[out++]);
    }
    CHECK(queue.size() == 100 - out);
  }
  CHECK(queue.pop(taken, 100) == 0);
}

TEST_CASE("injector: many threads push and pop; every task comes out once, in its maker's order") {
  constexpr std::size_t makers = 3;
  const std::size_t each = csp_test::scaled(100'000);
  const auto tasks = std::make_unique<task[]>(makers * each);
  for (std::size_t i = 0; i < makers * each; ++i) {
    tasks[i].id.set(i);
  }
  injector queue;
  std::vector<std::atomic<int>> seen(makers * each);
  std::atomic<std::size_t> out{0};
  std::atomic<long> disorder{0};
  std::vector<std::thread> threads;
  for (std::size_t maker = 0; maker < makers; ++maker) {
    threads.emplace_back([&, maker] {
      for (std::size_t i = 0; i < each; ++i) {
        queue.push(tasks[maker * each + i]);
      }
    });
    threads.emplace_back([&] {
      std::vector<std::int64_t> last(makers, -1);
      task* taken[16];
      // The count falls only after a task is out, so zero tasks with all out means that nothing is on its way.
      while (out.load() < makers * each) {
        const std::uint32_t count = queue.pop(taken, 16);
        for (std::uint32_t i = 0; i < count; ++i) {
          const std::uint64_t id = taken[i]->id.get();
          seen[id].fetch_add(1, std::memory_order_relaxed);
          disorder.fetch_add(static_cast<std::int64_t>(id) <= last[id / each] ? 1 : 0, std::memory_order_relaxed);
          last[id / each] = static_cast<std::int64_t>(id);
        }
        out.fetch_add(count);
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
  CHECK(queue.size() == 0);
}
