// Rows about tasks as such: the bare switch, yield, spawn, mutex.
#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <mutex>
#include <vector>

#include "bench/rows.h"

namespace bench {
namespace {

namespace fcontext = boost::context::detail;

// The other side of raw_switch: counts the jumps that reach it.
[[noreturn]] void count_jumps(fcontext::transfer_t from) {
  auto& count = *static_cast<std::int64_t*>(from.data);
  for (;;) {
    ++count;
    from = fcontext::jump_fcontext(from.fctx, nullptr);
  }
}

// The floor: Boost's fcontext jump to and fro without any scheduler. An op is one jump.
void raw_switch(measurement& m) {
  constexpr std::size_t stack_size = 64 * 1024;  // count_jumps needs a few hundred bytes
  std::vector<std::max_align_t> stack(stack_size / sizeof(std::max_align_t));
  const std::int64_t pairs = m.scaled(50'000'000);
  std::int64_t count = 0;
  fcontext::fcontext_t other = fcontext::make_fcontext(stack.data() + stack.size(), stack_size, count_jumps);
  m.start();
  for (std::int64_t i = 0; i < pairs; ++i) other = fcontext::jump_fcontext(other, &count).fctx;
  m.stop(2 * pairs);
  m.expect("jumps", count, pairs);
}

// Tasks that do nothing but yield. An op is one yield.
void yield_row(measurement& m, std::int64_t tasks, std::int64_t yields) {
  std::vector<std::int64_t> done(static_cast<std::size_t>(tasks));
  run(m, [&] {
    csp::wait_group group;
    m.start();
    group.add(static_cast<int>(tasks));
    for (std::int64_t& slot : done) {
      csp::go([&group, &slot, yields] {
        std::int64_t count = 0;
        for (std::int64_t i = 0; i < yields; ++i) {
          csp::yield();
          ++count;
        }
        slot = count;
        group.done();
      });
    }
    group.wait();
    m.stop(tasks * yields);
  });
  std::int64_t sum = 0;
  for (std::int64_t d : done) sum += d;
  m.expect("yields", sum, tasks * yields);
}

// Waves of 1000 tasks joined by a wait group. An op is one task: spawned, run and finished.
void spawn(measurement& m) {
  constexpr int wave = 1000;
  const std::int64_t waves = m.scaled(1000);
  std::vector<std::int32_t> ran(wave);
  run(m, [&] {
    csp::wait_group group;
    m.start();
    for (std::int64_t w = 0; w < waves; ++w) {
      group.add(wave);
      for (std::int32_t& slot : ran) {
        csp::go([&group, &slot] {
          ++slot;
          group.done();
        });
      }
      group.wait();
    }
    m.stop(waves * wave);
  });
  for (std::int32_t r : ran) m.expect("runs of a task", r, waves);
}

// Rounds of 8 tasks x 250 k lock, increment, unlock. An op is one of these.
void mutex8(measurement& m) {
  constexpr int tasks = 8;
  constexpr std::int64_t locks = 250'000;
  const std::int64_t rounds = m.scaled(5);
  std::int64_t counter = 0;
  run(m, [&] {
    csp::mutex mutex;
    csp::wait_group group;
    m.start();
    for (std::int64_t r = 0; r < rounds; ++r) {
      group.add(tasks);
      for (int t = 0; t < tasks; ++t) {
        csp::go([&] {
          for (std::int64_t i = 0; i < locks; ++i) {
            std::lock_guard held(mutex);
            ++counter;
          }
          group.done();
        });
      }
      group.wait();
    }
    m.stop(rounds * tasks * locks);
  });
  m.expect("counter", counter, rounds * tasks * locks);
}

constexpr row rows[] = {
    {"raw_switch", 1, raw_switch},
    {"yield2", 1, [](measurement& m) { yield_row(m, 2, m.scaled(8'000'000)); }},
    {"yield1000", 1, [](measurement& m) { yield_row(m, 1000, m.scaled(8'000)); }},
    {"spawn", 1, spawn},
    {"mutex8", 1, mutex8},
};

}  // namespace

std::span<const row> switch_rows() { return rows; }

}  // namespace bench
