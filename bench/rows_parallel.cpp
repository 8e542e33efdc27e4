// Rows about CPU work on several processors: a pipeline, a fan-out, and how soon a new task starts elsewhere.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <vector>

#include "bench/rows.h"
#include "bench/work.h"

namespace bench {
namespace {

using clock = std::chrono::steady_clock;

double microseconds_since(clock::time_point begin) {
  return std::chrono::duration<double, std::micro>(clock::now() - begin).count();
}

constexpr int stage_steps = 10'000;  // about 20 us at 3 GHz (6 cycles a step); what it took is noted as stage_us
constexpr int pipeline_inputs = 64;  // distinct items, so that checking costs little

// Two stages of about 20 us of work each and a sink, joined by unbuffered channels. An op is one item: on one processor
// it costs two stages, on two at best one.
void pipeline20us(measurement& m) {
  const std::int64_t items = m.scaled(20'000, pipeline_inputs);
  std::array<std::uint64_t, pipeline_inputs> want{};
  const auto begin = clock::now();
  for (std::size_t i = 0; i < want.size(); ++i) want[i] = mix_steps(mix_steps(i + 1, stage_steps) + 1, stage_steps);
  m.note("stage_us", microseconds_since(begin) / (2 * pipeline_inputs));

  std::int64_t count = 0;
  std::int64_t wrong = 0;
  run(m, [&] {
    m.start();
    const csp::chan<std::uint64_t> middle, out;
    csp::go([middle, items] {
      for (std::int64_t i = 0; i < items; ++i)
        middle.send(mix_steps(static_cast<std::uint64_t>(i % pipeline_inputs) + 1, stage_steps));
      middle.close();
    });
    csp::go([middle, out] {
      for (std::uint64_t v : middle) out.send(mix_steps(v + 1, stage_steps));
      out.close();
    });
    for (std::uint64_t v : out) {
      if (v != want[static_cast<std::size_t>(count % pipeline_inputs)]) ++wrong;
      ++count;
    }
    m.stop(items);
  });
  m.expect("items", count, items);
  m.expect("wrong results", wrong, 0);
}

constexpr std::size_t blocks = 16;         // 1 MiB of data: in the second-level cache or near it
constexpr std::size_t block_words = 8192;  // 64 KiB a block
constexpr int block_passes = 4;            // about 80 us a job
constexpr int fanout_workers = 8;

std::uint64_t hash_block(const std::vector<std::uint64_t>& block) {
  std::uint64_t h = 1;
  for (int pass = 0; pass < block_passes; ++pass)
    for (std::uint64_t word : block) h = mix(h ^ word);
  return h;
}

struct hashed {
  std::size_t block;
  std::uint64_t hash;
};

// One task hands out blocks over an unbuffered channel, 8 workers hash them and send the hashes over one channel to a
// collector. An op is one block.
void fanout_cpu(measurement& m) {
  const std::int64_t jobs = m.scaled(10'000, blocks);
  std::vector<std::vector<std::uint64_t>> data(blocks, std::vector<std::uint64_t>(block_words));
  std::uint64_t seed = 1;
  for (auto& block : data)
    for (std::uint64_t& word : block) word = seed = mix(seed + 0x9e3779b97f4a7c15u);
  std::array<std::uint64_t, blocks> want{};
  const auto begin = clock::now();
  for (std::size_t b = 0; b < blocks; ++b) want[b] = hash_block(data[b]);
  m.note("job_us", microseconds_since(begin) / static_cast<double>(blocks));

  std::array<std::int64_t, blocks> seen{};
  std::int64_t wrong = 0;
  run(m, [&] {
    m.start();
    const csp::chan<std::size_t> work;
    const csp::chan<hashed> results;
    for (int w = 0; w < fanout_workers; ++w) {
      csp::go([work, results, &data] {
        for (std::size_t b : work) results.send(hashed{b, hash_block(data[b])});
      });
    }
    csp::go([work, jobs] {
      for (std::int64_t j = 0; j < jobs; ++j) work.send(static_cast<std::size_t>(j) % blocks);
      work.close();
    });
    for (std::int64_t j = 0; j < jobs; ++j) {
      const hashed r = *results.recv();
      ++seen[r.block];
      if (r.hash != want[r.block]) ++wrong;
    }
    m.stop(jobs);
  });
  m.expect("wrong hashes", wrong, 0);
  for (std::int64_t s : seen) m.expect("jobs of a block", s, jobs / static_cast<std::int64_t>(blocks));
}

constexpr int compute_chunk = 64;                              // steps between two looks at the flag: about 0.15 us
constexpr auto compute_limit = std::chrono::milliseconds(20);  // computing for this long without f is a miss

// After a pause in which every processor goes idle, a task spawns f and computes on: how long until f starts, which
// only another processor can do. An op is one spawn.
void go_compute(measurement& m) {
  const std::int64_t spawns = m.scaled(400);
  std::vector<std::int64_t> latency(static_cast<std::size_t>(spawns));
  std::int64_t misses = 0;
  std::uint64_t h = 1;
  const auto base = clock::now();
  auto now = [base] { return std::chrono::nanoseconds(clock::now() - base).count(); };
  run(m, [&] {
    std::atomic<std::int64_t> started{0};
    m.start();
    for (std::int64_t& slot : latency) {
      csp::sleep_for(std::chrono::milliseconds(1));
      started.store(0);
      const csp::chan<void> done;
      const std::int64_t begin = now();
      csp::go([&started, now, done] {
        started.store(now());
        done.close();
      });
      while (started.load() == 0) {
        h = mix_steps(h, compute_chunk);
        if (now() - begin > std::chrono::nanoseconds(compute_limit).count()) {
          ++misses;
          break;
        }
      }
      static_cast<void>(done.recv());
      slot = started.load() - begin;
    }
    m.stop(spawns);
  });
  if (h == 0) m.fail("the computing went wrong");
  std::sort(latency.begin(), latency.end());
  if (latency.front() <= 0) m.fail("f started before it was spawned");
  m.note("p50_ns", quantile(latency, 0.5));
  m.note("p99_ns", quantile(latency, 0.99));
  m.note("misses", static_cast<double>(misses));
}

constexpr row rows[] = {
    {"pipeline20us", 1, pipeline20us},
    {"fanout_cpu", 1, fanout_cpu},
    {"go_compute", 2, go_compute},
};

}  // namespace

std::span<const row> parallel_rows() { return rows; }

}  // namespace bench
