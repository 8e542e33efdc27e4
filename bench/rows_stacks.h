// Rows about the stacks of libcsp alone: what colouring brings, and what it costs to give a task a stack anew.
#pragma once

#include <libcsp/csp.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

#include "bench/harness.h"
#include "bench/libcsp_peer.h"

namespace bench {

// A ring of 64 tasks that hand a number on. `stacks` says where theirs come from. An op is one hand-over.
inline void ring_of_64(measurement& m, csp::stack_source stacks) {
  constexpr std::int64_t tasks = 64;
  const std::int64_t rounds = m.scaled(20'000);
  std::int64_t sum = 0;
  libcsp_peer::run(m, [&] {
    const csp::chan<std::int64_t> first;
    csp::chan<std::int64_t> in = first;
    csp::wait_group ended(tasks);
    for (std::int64_t t = 0; t < tasks; ++t) {
      const csp::chan<std::int64_t> out;
      csp::go({.stack_size = 64 * 1024, .stacks = stacks}, [in, out, rounds, &ended] {
        for (std::int64_t i = 0; i < rounds; ++i) out.send(*in.recv() + 1);
        ended.done();
      });
      in = out;
    }
    m.start();
    for (std::int64_t i = 0; i < rounds; ++i) {
      first.send(i);
      sum += *in.recv();
    }
    m.stop(rounds * tasks);
    ended.wait();
  });
  m.expect("sum", sum, rounds * (rounds - 1) / 2 + rounds * tasks);
}

// The pool's stacks are coloured; mappings all have their tops in the same sets of the cache.
inline void ring_coloured(measurement& m) { ring_of_64(m, csp::stack_source::pooled()); }
inline void ring_not_coloured(measurement& m) {
  csp::mapped_stacks mapped;
  ring_of_64(m, mapped);
}

// Tasks that all wait, then end; an op is one of them. Each needs a stack of its own.
inline void stack_burst(std::int64_t tasks, std::size_t stack_size) {
  const csp::chan<void> gate;
  csp::wait_group came(static_cast<unsigned>(tasks));
  csp::wait_group ended(static_cast<unsigned>(tasks));
  for (std::int64_t t = 0; t < tasks; ++t) {
    csp::go({.stack_size = stack_size}, [&came, &ended, gate] {
      came.done();
      static_cast<void>(gate.recv());
      ended.done();
    });
  }
  came.wait();
  gate.close();
  ended.wait();
}

// `warm`: after a burst of the same size. Noted is how many stacks had to be given memory, for each task.
template <std::size_t StackSize, bool Warm>
void burst_row(measurement& m) {
  const std::int64_t tasks = m.scaled(100'000);
  libcsp_peer::run(m, [&] {
    if (Warm) stack_burst(tasks, StackSize);
    const csp::stack_figures before = csp::stack_statistics();
    m.start();
    stack_burst(tasks, StackSize);
    m.stop(tasks);
    const csp::stack_figures after = csp::stack_statistics();
    m.note("fresh_per_task",
           static_cast<double>(after.given_memory - before.given_memory) / static_cast<double>(tasks));
  });
}

// What tasks waiting in a receive cost, as parked_memory, on stacks of this size; and how long it takes to wake all of
// them and run them to their end, for each. With `Hibernates` they are asleep by then; so that there are never many
// more awake than asleep, they are spawned no faster than that. Each has numbers on its stack that have to be right
// after.
template <std::int64_t Tasks, std::size_t StackSize, bool Hibernates = false>
void parked_stacks_row(measurement& m) {
  constexpr std::int64_t most_awake = 100'000;
  constexpr std::uint64_t mixer = 0x9E3779B97F4A7C15;
  const std::int64_t tasks = m.scaled(Tasks);
  std::atomic<std::int64_t> intact{0};
  if (Hibernates && !csp::can_hibernate()) {
    m.fail("the kernel does not grant userfaultfd");
    return;
  }
  const auto asleep = [] { return static_cast<std::int64_t>(csp::hibernation_statistics().asleep); };
  libcsp_peer::run(m, [&] {
    const csp::chan<void> gate;
    csp::wait_group came(static_cast<unsigned>(tasks));
    csp::wait_group ended(static_cast<unsigned>(tasks));
    m.start();
    const std::int64_t before = resident_kb();
    for (std::int64_t t = 0; t < tasks; ++t) {
      csp::go({.stack_size = StackSize, .hibernates = Hibernates}, [&came, &ended, &intact, gate, t] {
        volatile std::uint64_t mine[4];
        for (std::uint64_t i = 0; i < 4; ++i) mine[i] = static_cast<std::uint64_t>(t + 1) * mixer + i;
        came.done();
        static_cast<void>(gate.recv());
        bool same = true;
        for (std::uint64_t i = 0; i < 4; ++i) same &= mine[i] == static_cast<std::uint64_t>(t + 1) * mixer + i;
        intact.fetch_add(same ? 1 : 0, std::memory_order_relaxed);
        ended.done();
      });
      if (Hibernates && t % most_awake == most_awake - 1) {
        while (asleep() < t - most_awake) csp::sleep_for(std::chrono::milliseconds(1));
      }
    }
    came.wait();
    while (Hibernates && asleep() < tasks) csp::sleep_for(std::chrono::milliseconds(1));
    m.note("bytes_per_task", static_cast<double>(resident_kb() - before) * 1024 / static_cast<double>(tasks));
    const auto woken = std::chrono::steady_clock::now();
    gate.close();
    ended.wait();
    m.note("wake_ns", std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - woken).count() /
                          static_cast<double>(tasks));
    m.stop(tasks);
  });
  m.expect("tasks with their numbers", intact.load(), tasks);
}

inline std::vector<row> stack_rows() {
  constexpr std::size_t small = 16 * 1024;
  constexpr std::size_t smallest = 8 * 1024;
  return {{"ring64_coloured", 1, ring_coloured},
          {"ring64_not_coloured", 1, ring_not_coloured},
          {"burst_fresh", 1, burst_row<0, false>},
          {"burst_warm", 1, burst_row<0, true>},
          {"burst_fresh_16k", 1, burst_row<small, false>},
          {"burst_warm_16k", 1, burst_row<small, true>},
          {"parked_10k_16k", 1, parked_stacks_row<10'000, small>},
          {"parked_100k_16k", 1, parked_stacks_row<100'000, small>},
          {"parked_1m_16k", 1, parked_stacks_row<1'000'000, small>},
          {"hibernated_10k", 1, parked_stacks_row<10'000, smallest, true>},
          {"hibernated_100k", 1, parked_stacks_row<100'000, smallest, true>},
          {"hibernated_1m", 1, parked_stacks_row<1'000'000, smallest, true>},
          {"hibernated_10m", 1, parked_stacks_row<10'000'000, smallest, true>}};
}

}  // namespace bench
