// What the user sees: progress and errors while the job runs, and the counts at the end.
//
// Counts go to stdout, all else to stderr.

#pragma once

#include "count.h"
#include "walk.h"

#include <libcsp/csp.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace wordcount {

using seconds = std::chrono::duration<double>;

struct totals {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::uint64_t errors = 0;
};

// What the tasks tell about their work.
struct news {
  std::uint64_t files = 0;  // opened since the last news
  std::uint64_t bytes = 0;  // read since then
  std::vector<file_error> errors;
};

// Adds up the news until the channel is closed. If `progress`, shows the totals so far several times
// a second; if `errors`, prints each error.
totals follow(csp::receiver<news> reports, bool progress, bool errors);

// All words in alphabetical order.
std::vector<word_entry> sorted_words(std::span<const word_table> shards);

// The `n` most frequent words, equally frequent ones in alphabetical order.
void print_top(std::span<const word_table> shards, std::size_t n);

// All words in alphabetical order, as `count word`.
void print_all(std::span<const word_table> shards);

// How much was done in which time.
void print_summary(const totals& read, std::span<const word_table> shards, seconds time);

}  // namespace wordcount
