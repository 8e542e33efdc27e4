// Rows about work for several processors: a pipeline, fan-outs, a product of matrices.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bench/capabilities.h"
#include "bench/harness.h"
#include "bench/jobs.h"
#include "bench/work.h"

namespace bench {

inline constexpr int stage_steps = 10'000;  // about 20 us at 3 GHz (6 cycles a step); what it took is noted as stage_us
inline constexpr int pipeline_inputs = 64;  // distinct items, so that checking costs little

// Two stages of about 20 us of work each and a sink, joined by unbuffered channels. An op is one item: on one processor
// it costs two stages, on two at best one.
template <class P>
void pipeline_row(measurement& m) {
  using channel = typename P::template unbuffered<std::uint64_t>;
  const std::int64_t items = m.scaled(20'000, pipeline_inputs);
  std::array<std::uint64_t, pipeline_inputs> want{};
  const stopwatch watch;
  for (std::size_t i = 0; i < want.size(); ++i) want[i] = mix_steps(mix_steps(i + 1, stage_steps) + 1, stage_steps);
  m.note("stage_us", watch.microseconds() / (2 * pipeline_inputs));

  std::int64_t count = 0;
  std::int64_t wrong = 0;
  P::run(m, [&] {
    m.start();
    const channel middle, out;
    P::go([middle, items] {
      for (std::int64_t i = 0; i < items; ++i)
        middle.send(mix_steps(static_cast<std::uint64_t>(i % pipeline_inputs) + 1, stage_steps));
      middle.close();
    });
    P::go([middle, out] {
      while (const auto v = middle.recv()) out.send(mix_steps(*v + 1, stage_steps));
      out.close();
    });
    while (const auto v = out.recv()) {
      if (*v != want[static_cast<std::size_t>(count % pipeline_inputs)]) ++wrong;
      ++count;
    }
    m.stop(items);
  });
  m.expect("items", count, items);
  m.expect("wrong results", wrong, 0);
}

inline constexpr int fanout_workers = 8;

struct answer {
  std::size_t job = 0;
  std::uint64_t value = 0;
};

// One task hands out the numbers of jobs over an unbuffered channel; 8 workers do `work(kind)` and send the answers
// over one channel to a collector. Kinds take turns; `want` has the answer of each. An op is one job.
template <class P, class Work>
void fan_out(measurement& m, std::int64_t jobs, const std::vector<std::uint64_t>& want, Work work) {
  using numbers = typename P::template unbuffered<std::size_t>;
  using answers = typename P::template unbuffered<answer>;
  std::vector<std::int64_t> seen(want.size());
  std::int64_t wrong = 0;
  P::run(m, [&] {
    m.start();
    const numbers todo;
    const answers done;
    for (int w = 0; w < fanout_workers; ++w) {
      P::go([todo, done, work] {
        while (const auto kind = todo.recv()) done.send(answer{*kind, work(*kind)});
      });
    }
    P::go([todo, jobs, kinds = want.size()] {
      for (std::int64_t j = 0; j < jobs; ++j) todo.send(static_cast<std::size_t>(j) % kinds);
      todo.close();
    });
    for (std::int64_t j = 0; j < jobs; ++j) {
      const answer a = *done.recv();
      ++seen[a.job];
      if (a.value != want[a.job]) ++wrong;
    }
    m.stop(jobs);
  });
  m.expect("wrong answers", wrong, 0);
  for (std::int64_t s : seen) m.expect("jobs of a kind", s, jobs / static_cast<std::int64_t>(want.size()));
}

// Jobs of one step of mix: what handing out and collecting cost.
template <class P>
void fanout_row(measurement& m) {
  constexpr std::size_t kinds = 16;
  std::vector<std::uint64_t> want(kinds);
  for (std::size_t k = 0; k < kinds; ++k) want[k] = mix(k + 1);
  fan_out<P>(m, m.scaled(1'000'000, kinds), want, [](std::size_t kind) { return mix(kind + 1); });
}

// Jobs hash blocks of memory.
template <class P>
void fanout_cpu_row(measurement& m) {
  std::vector<std::vector<std::uint64_t>> data(blocks, std::vector<std::uint64_t>(block_words));
  std::uint64_t seed = 1;
  for (auto& block : data)
    for (std::uint64_t& word : block) word = seed = mix(seed + 0x9e3779b97f4a7c15u);
  std::vector<std::uint64_t> want(blocks);
  const stopwatch watch;
  for (std::size_t b = 0; b < blocks; ++b) want[b] = hash_block(data[b]);
  m.note("job_us", watch.microseconds() / static_cast<double>(blocks));
  fan_out<P>(m, m.scaled(10'000, blocks), want, [&data](std::size_t b) { return hash_block(data[b]); });
}

// Jobs are the rows of a product of two matrices of integers, the whole product again and again.
template <class P>
void matrix_row(measurement& m) {
  std::vector<std::uint64_t> a(matrix_size * matrix_size), b(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    a[i] = mix(i + 1);
    b[i] = mix(i + a.size() + 1);
  }
  std::vector<std::uint64_t> want(matrix_size);
  const stopwatch watch;
  for (std::size_t r = 0; r < matrix_size; ++r) want[r] = product_row(a, b, r);
  m.note("job_us", watch.microseconds() / static_cast<double>(matrix_size));
  fan_out<P>(m, m.scaled(20'000, matrix_size), want, [&a, &b](std::size_t r) { return product_row(a, b, r); });
}

template <class P>
std::vector<row> parallel_rows() {
  std::vector<row> rows;
  if constexpr (has_unbuffered<P>) {
    rows.push_back({"pipeline20us", 1, pipeline_row<P>});
    rows.push_back({"fanout", 1, fanout_row<P>});
    rows.push_back({"fanout_cpu", 1, fanout_cpu_row<P>});
    rows.push_back({"matrix", 1, matrix_row<P>});
  }
  return rows;
}

}  // namespace bench
