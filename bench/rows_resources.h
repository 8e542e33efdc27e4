// Rows about what waiting costs: the memory of a parked task, the CPU of an idle program.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

#include "bench/capabilities.h"
#include "bench/harness.h"

namespace bench {

// Starts tasks that wait at the gate and returns when all of them are at it, or about to be.
template <class P>
void park_tasks(typename P::group& group, typename P::gate& gate, std::atomic<std::int64_t>& came, std::int64_t tasks) {
  for (std::int64_t t = 0; t < tasks; ++t) {
    group.go([&gate, &came] {
      came.fetch_add(1, std::memory_order_relaxed);
      gate.wait();
    });
  }
  while (came.load() < tasks) P::sleep_for(std::chrono::milliseconds(1));
}

// Tasks wait; noted is what the process has grown by, resident memory and page tables, for each. An op is one
// task, started, parked and ended.
template <class P, std::int64_t Tasks>
void parked_memory_row(measurement& m) {
  const std::int64_t tasks = m.scaled(Tasks);
  std::atomic<std::int64_t> came{0};
  P::run(m, [&] {
    typename P::gate gate;
    typename P::group group(tasks);
    m.start();
    const std::int64_t before = resident_kb();
    park_tasks<P>(group, gate, came, tasks);
    m.note("bytes_per_task", static_cast<double>(resident_kb() - before) * 1024 / static_cast<double>(tasks));
    gate.open(tasks);
    group.wait();
    m.stop(tasks);
  });
  m.expect("tasks that ran", came.load(), tasks);
}

// 1000 tasks wait, and for a second nothing happens; noted is what that cost. An op is a second.
template <class P>
void idle_row(measurement& m) {
  constexpr std::int64_t tasks = 1000;
  constexpr auto settle = std::chrono::milliseconds(100);  // spinning, if any, has ended by then
  constexpr auto second = std::chrono::seconds(1);
  std::atomic<std::int64_t> came{0};
  P::run(m, [&] {
    typename P::gate gate;
    typename P::group group(tasks);
    park_tasks<P>(group, gate, came, tasks);
    P::sleep_for(settle);
    m.start();
    P::sleep_for(second);
    m.stop(1);
    gate.open(tasks);
    group.wait();
  });
  m.expect("tasks that ran", came.load(), tasks);
  if (m.wall() < second) m.fail("the second ended early");
  m.note("cpu_us_per_s",
         std::chrono::duration<double, std::micro>(m.cpu()).count() / std::chrono::duration<double>(m.wall()).count());
}

template <class P>
std::vector<row> resource_rows() {
  std::vector<row> rows;
  if constexpr (sleeps<P>) {
    rows.push_back({"parked_10k", 1, parked_memory_row<P, 10'000>});
    rows.push_back({"parked_memory", 1, parked_memory_row<P, 100'000>});
    rows.push_back({"parked_1m", 1, parked_memory_row<P, 1'000'000>});
    rows.push_back({"idle", 1, idle_row<P>});
  }
  return rows;
}

}  // namespace bench
