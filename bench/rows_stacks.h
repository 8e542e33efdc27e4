// Rows about the stacks of libcsp alone: what colouring brings, and what it costs to give a task a stack anew.
#pragma once

#include <libcsp/csp.h>

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

// What tasks waiting in a receive cost, as parked_memory, on stacks of this size.
template <std::int64_t Tasks, std::size_t StackSize>
void parked_stacks_row(measurement& m) {
  const std::int64_t tasks = m.scaled(Tasks);
  libcsp_peer::run(m, [&] {
    const csp::chan<void> gate;
    csp::wait_group came(static_cast<unsigned>(tasks));
    csp::wait_group ended(static_cast<unsigned>(tasks));
    m.start();
    const std::int64_t before = resident_kb();
    for (std::int64_t t = 0; t < tasks; ++t) {
      csp::go({.stack_size = StackSize}, [&came, &ended, gate] {
        came.done();
        static_cast<void>(gate.recv());
        ended.done();
      });
    }
    came.wait();
    m.note("bytes_per_task", static_cast<double>(resident_kb() - before) * 1024 / static_cast<double>(tasks));
    gate.close();
    ended.wait();
    m.stop(tasks);
  });
}

inline std::vector<row> stack_rows() {
  constexpr std::size_t small = 16 * 1024;
  return {{"ring64_coloured", 1, ring_coloured},
          {"ring64_not_coloured", 1, ring_not_coloured},
          {"burst_fresh", 1, burst_row<0, false>},
          {"burst_warm", 1, burst_row<0, true>},
          {"burst_fresh_16k", 1, burst_row<small, false>},
          {"burst_warm_16k", 1, burst_row<small, true>},
          {"parked_10k_16k", 1, parked_stacks_row<10'000, small>},
          {"parked_100k_16k", 1, parked_stacks_row<100'000, small>},
          {"parked_1m_16k", 1, parked_stacks_row<1'000'000, small>}};
}

}  // namespace bench
