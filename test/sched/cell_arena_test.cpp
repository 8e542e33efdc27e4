// Cells: distinct, reused, listed while they hold a task, and never moved to the system's hands.
#include "sched/cell_arena.h"

#include "test/support/topologies.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <set>
#include <thread>
#include <vector>

using namespace csp::detail;

namespace {

std::map<const task*, std::uint32_t> listed() {
  std::map<const task*, std::uint32_t> result;
  cell_arena::instance().for_each_live(
      [&](task& subject, std::uint32_t generation) { result.emplace(&subject, generation); });
  return result;
}

}  // namespace

TEST_CASE("cell_arena: cells are aligned, distinct and far enough apart") {
  constexpr std::uint32_t count = 6'000;  // more than two slabs
  std::vector<task*> cells(count);
  std::uint32_t taken = 0;
  while (taken < count) {
    taken += cell_arena::instance().take(cells.data() + taken, std::min(count - taken, 100U));
  }
  std::sort(cells.begin(), cells.end());
  for (std::uint32_t i = 0; i < count; ++i) {
    REQUIRE(reinterpret_cast<std::uintptr_t>(cells[i]) % cache_line == 0);
    REQUIRE(reinterpret_cast<std::uintptr_t>(cells[i]->payload()) % 16 == 0);
    if (i != 0) {
      REQUIRE(reinterpret_cast<std::uintptr_t>(cells[i]) - reinterpret_cast<std::uintptr_t>(cells[i - 1]) >=
              sizeof(task));
    }
  }
  // The same cells come back.
  const std::set<task*> before(cells.begin(), cells.end());
  cell_arena::instance().give(cells.data(), count);
  taken = 0;
  while (taken < count) {
    taken += cell_arena::instance().take(cells.data() + taken, count - taken);
  }
  CHECK(std::all_of(cells.begin(), cells.end(), [&](task* cell) { return before.contains(cell); }));
  cell_arena::instance().give(cells.data(), count);
}

TEST_CASE("cell_arena: what a switch, a wait and a wake need of a task lies in two lines and the begin of the third") {
  if (sizeof(sanitizer::fiber) > 1) {
    return;  // a sanitizer's record is in between
  }
  task* cell = nullptr;
  REQUIRE(cell_arena::instance().take(&cell, 1) == 1);
  const auto line_of = [cell](const void* field) {
    return static_cast<std::size_t>(static_cast<const std::byte*>(field) - reinterpret_cast<const std::byte*>(cell)) /
           cache_line;
  };
  for (const void* const field : std::initializer_list<const void*>{
           &cell->waits_for, &cell->shields, &cell->context, &cell->core, &cell->home, &cell->saved_errno,
           &cell->waiting_since, &cell->generation, &cell->cancel_generation}) {
    CHECK(line_of(field) == 1);
  }
  CHECK(line_of(&cell->exceptions) == 2);
  CHECK(line_of(cell->payload()) == 2);
  const std::size_t first_of_alarm = line_of(&cell->alarm);
  CHECK(first_of_alarm == line_of(&cell->alarm + 1) - 1);
  cell_arena::instance().give(&cell, 1);
}

TEST_CASE("cell_arena: exactly the cells of odd generation are listed, each with its generation") {
  task* cells[4];
  REQUIRE(cell_arena::instance().take(cells, 4) == 4);
  const auto before = listed().size();
  for (task* const cell : cells) {
    REQUIRE(cell->generation.get() % 2 == 0);
  }
  cells[1]->generation.add(1);
  cells[3]->generation.add(1);
  const auto now = listed();
  CHECK(now.size() == before + 2);
  CHECK_FALSE(now.contains(cells[0]));
  CHECK(now.at(cells[1]) == cells[1]->generation.get());
  CHECK(now.at(cells[3]) == cells[3]->generation.get());
  cells[1]->generation.add(1);
  cells[3]->generation.add(1);
  CHECK(listed().size() == before);
  cell_arena::instance().give(cells, 4);
}

TEST_CASE("cell_arena: a generation outlives the cell's way through the pools") {
  cell_pool pool;
  task* const cell = pool.take();
  cell->generation.add(2);
  const std::uint32_t generation = cell->generation.get();
  pool.give(cell);
  CHECK(pool.take() == cell);  // LIFO
  CHECK(cell->generation.get() == generation);
  pool.give(cell);
}

TEST_CASE("cell_arena: cells that one pool takes and another one gets are soon used again") {
  cell_pool spawner;
  cell_pool ender;
  std::set<const task*> seen;
  for (int i = 0; i < 2'000; ++i) {
    task* const cell = spawner.take();
    seen.insert(cell);
    ender.give(cell);
  }
  CHECK(seen.size() <= 300);  // what the two keep and have in their hands between them
}

TEST_CASE("cell_arena: a pool keeps what a wave that it has spawned itself leaves behind") {
  constexpr std::size_t wave = 1'000;
  cell_pool pool;
  std::vector<task*> cells(wave);
  std::set<const task*> first;
  for (int round = 0; round < 4; ++round) {
    for (task*& cell : cells) {
      cell = pool.take();
    }
    if (round == 0) {
      first.insert(cells.begin(), cells.end());
    } else {
      CHECK(std::all_of(cells.begin(), cells.end(), [&](task* cell) { return first.contains(cell); }));
    }
    for (task* const cell : cells) {
      pool.give(cell);
    }
    if (round == 0) {
      // What the arena has is somebody else's now: all that comes again has stayed in the pool.
      task* others[64];
      REQUIRE(cell_arena::instance().take(others, 64) != 0);
      CHECK(std::none_of(std::begin(others), std::end(others), [&](task* cell) { return first.contains(cell); }));
    }
  }
}

TEST_CASE("cell_arena: few cells are made at once") {
  task* some[64];
  // The free ones come first, then new ones; the test cases before have left some thousands.
  std::uint32_t taken = 64;
  for (int i = 0; i < 1'000 && taken == 64; ++i) {
    taken = cell_arena::instance().take(some, 64);
  }
  CHECK(taken != 64);
  CHECK(cell_arena::instance().take(some, 64) <= 16);
}

TEST_CASE("cell_arena: pools of several threads never hand out one cell twice") {
  const std::size_t rounds = csp_test::scaled(2'000);
  std::vector<std::thread> threads;
  std::atomic<std::size_t> wrong{0};
  std::atomic<std::size_t> done{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      cell_pool pool;
      std::vector<task*> held;
      for (std::size_t round = 0; round < rounds; ++round) {
        // Beyond the pool's capacity, so that cells go through the arena in both directions.
        for (int k = 0; k < 300; ++k) {
          task* const cell = pool.take();
          cell->generation.add(1);
          wrong += cell->generation.get() % 2 == 0 ? 1U : 0U;
          held.push_back(cell);
        }
        for (task* const cell : held) {
          cell->generation.add(1);
          pool.give(cell);
        }
        held.clear();
        ++done;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(wrong == 0);
  CHECK(done == 4 * rounds);
}
