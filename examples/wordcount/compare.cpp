// See compare.h.

#include "compare.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace wordcount {

namespace {

// Each is measured that often, in turns, and the best time counts: the rest is other programs.
constexpr int rounds = 3;

bool same_counts(const job_result& a, const job_result& b) {
  return std::ranges::equal(
      sorted_words(a.shards), sorted_words(b.shards),
      [](const word_entry& x, const word_entry& y) { return x.word == y.word && x.count == y.count; });
}

void print_row(const job_result& result, double speed_up) {
  fmt::print("{:<10} {:>8.3f} s {:>8.2f} {:>9} {:>9} {:>9}\n", result.processors, result.time.count(), speed_up,
             result.scheduler.finished, result.scheduler.switches, result.scheduler.steals);
}

}  // namespace

comparison compare_processors(const job_options& options) {
  // The first run fills the page cache and prints the errors; it is not measured.
  job_result first = run_job(options);
  job_options silent = options;
  silent.errors = false;
  silent.scheduler.spares = 0;  // else one processor may get help from another thread

  bool same = true;
  auto measure = [&](unsigned processors, job_result& best) {
    silent.scheduler.processors = processors;
    job_result result = run_job(silent);
    same = same && same_counts(first, result);
    if (best.shards.empty() || result.time < best.time) {
      best = std::move(result);
    }
  };
  job_result one;
  job_result all;
  for (int i = 0; i < rounds; ++i) {
    measure(1, one);
    measure(options.scheduler.processors, all);
  }

  fmt::print("{:<10} {:>10} {:>8} {:>9} {:>9} {:>9}\n", "processors", "time", "speed-up", "tasks run", "switches",
             "steals");
  print_row(one, 1.0);
  print_row(all, one.time / all.time);
  return {.last = std::move(all), .same = same};
}

}  // namespace wordcount
