// Rows about tasks as such: yield, spawn, mutex.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bench/capabilities.h"
#include "bench/harness.h"
#include "bench/work.h"

namespace bench {

// Tasks that do nothing but yield, or touch memory of their own after every yield (Lines > 0). An op is one yield.
template <class P, std::size_t Lines>
void yield_row(measurement& m, std::int64_t tasks, std::int64_t yields) {
  struct result {
    std::int64_t yields = 0;
    std::int64_t touched = 0;
  };
  std::vector<result> results(static_cast<std::size_t>(tasks));
  P::run(m, [&] {
    typename P::group group(tasks);
    m.start();
    for (result& slot : results) {
      group.go([&slot, yields] {
        result mine;
        cold_memory<Lines> memory;
        for (std::int64_t i = 0; i < yields; ++i) {
          P::yield();
          ++mine.yields;
          mine.touched = memory.touch();
        }
        slot = mine;
      });
    }
    group.wait();
    m.stop(tasks * yields);
  });
  for (const result& r : results) {
    m.expect("yields of a task", r.yields, yields);
    m.expect("touched lines of a task", r.touched, yields * static_cast<std::int64_t>(Lines));
  }
}

// Waves of 1000 tasks, each wave awaited. An op is one task: spawned, run and finished.
template <class P>
void spawn_row(measurement& m) {
  constexpr int wave = 1000;
  const std::int64_t waves = m.scaled(1000);
  std::vector<std::int32_t> ran(wave);
  P::run(m, [&] {
    m.start();
    for (std::int64_t w = 0; w < waves; ++w) {
      typename P::group group(wave);
      for (std::int32_t& slot : ran) group.go([&slot] { ++slot; });
      group.wait();
    }
    m.stop(waves * wave);
  });
  for (std::int32_t r : ran) m.expect("runs of a task", r, waves);
}

// Rounds of 8 tasks x 250 k lock, increment, unlock. An op is one of these.
template <class P>
void mutex_row(measurement& m) {
  constexpr int tasks = 8;
  constexpr std::int64_t locks = 250'000;
  const std::int64_t rounds = m.scaled(5);
  std::int64_t counter = 0;
  P::run(m, [&] {
    typename P::mutex mutex;
    m.start();
    for (std::int64_t r = 0; r < rounds; ++r) {
      typename P::group group(tasks);
      for (int t = 0; t < tasks; ++t) {
        group.go([&] {
          for (std::int64_t i = 0; i < locks; ++i) {
            mutex.lock();
            ++counter;
            mutex.unlock();
          }
        });
      }
      group.wait();
    }
    m.stop(rounds * tasks * locks);
  });
  m.expect("counter", counter, rounds * tasks * locks);
}

template <class P>
std::vector<row> switch_rows() {
  std::vector<row> rows;
  if constexpr (yields<P>) {
    rows.push_back({"yield2", 1, [](measurement& m) { yield_row<P, 0>(m, 2, m.scaled(8'000'000)); }});
    rows.push_back({"yield1000", 1, [](measurement& m) { yield_row<P, 0>(m, 1000, m.scaled(8'000)); }});
    rows.push_back({"yield1000_cold", 1, [](measurement& m) { yield_row<P, cold_lines>(m, 1000, m.scaled(4'000)); }});
  }
  rows.push_back({"spawn", 1, spawn_row<P>});
  if constexpr (has_mutex<P>) rows.push_back({"mutex8", 1, mutex_row<P>});
  return rows;
}

}  // namespace bench
