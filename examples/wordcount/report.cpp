// See report.h.

#include "report.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <optional>

namespace wordcount {

namespace {

using namespace std::chrono_literals;

constexpr auto progress_interval = 200ms;
constexpr const char* clear_line = "\r\033[K";

std::string amount(const totals& read, seconds time) {
  const double megabytes = static_cast<double>(read.bytes) / 1e6;
  return fmt::format("{} files, {:.1f} MB in {:.2f} s, {:.1f} MB/s", read.files, megabytes, time.count(),
                     megabytes / std::max(time.count(), 1e-9));
}

std::vector<word_entry> all_words(std::span<const word_table> shards) {
  std::vector<word_entry> words;
  for (const word_table& shard : shards) {
    shard.for_each([&](const word_entry& entry) { words.push_back(entry); });
  }
  return words;
}

}  // namespace

totals follow(csp::receiver<news> reports, bool progress, bool errors) {
  // Without progress the channel of ticks stays nil, and its arm below never runs.
  csp::receiver<csp::clock::time_point> ticks;
  std::optional<csp::ticker> ticker;
  if (progress) {
    ticker.emplace(progress_interval);
    ticks = ticker->channel();
  }
  const auto start = csp::clock::now();
  const char* const clear = progress ? clear_line : "";

  totals sum;
  bool open = true;
  auto add = [&](std::optional<news> item) {
    if (!item) {
      open = false;
      return;
    }
    sum.files += item->files;
    sum.bytes += item->bytes;
    sum.errors += item->errors.size();
    for (const file_error& error : item->errors) {
      if (!errors) {
        break;
      }
      fmt::print(stderr, "{}wordcount: {}: {}\n", clear, error.path, error.reason.message());
    }
  };
  auto show = [&](std::optional<csp::clock::time_point>) {
    fmt::print(stderr, "{}{}", clear, amount(sum, csp::clock::now() - start));
  };
  while (open) {
    csp::select(csp::on_recv(reports, add), csp::on_recv(ticks, show));
  }
  fmt::print(stderr, "{}", clear);
  return sum;
}

std::vector<word_entry> sorted_words(std::span<const word_table> shards) {
  std::vector<word_entry> words = all_words(shards);
  std::ranges::sort(words, {}, &word_entry::word);
  return words;
}

void print_top(std::span<const word_table> shards, std::size_t n) {
  std::vector<word_entry> words = all_words(shards);
  n = std::min(n, words.size());
  const auto end = words.begin() + static_cast<std::ptrdiff_t>(n);
  std::partial_sort(words.begin(), end, words.end(), [](const word_entry& a, const word_entry& b) {
    return a.count != b.count ? a.count > b.count : a.word < b.word;
  });
  for (const word_entry& entry : std::span(words).first(n)) {
    fmt::print("{:10} {}\n", entry.count, entry.word);
  }
}

void print_all(std::span<const word_table> shards) {
  for (const word_entry& entry : sorted_words(shards)) {
    fmt::print("{} {}\n", entry.count, entry.word);
  }
}

void print_summary(const totals& read, std::span<const word_table> shards, seconds time) {
  std::uint64_t words = 0;
  std::size_t different = 0;
  for (const word_table& shard : shards) {
    different += shard.size();
    shard.for_each([&](const word_entry& entry) { words += entry.count; });
  }
  fmt::print(stderr, "{} words, {} different; {}\n", words, different, amount(read, time));
}

}  // namespace wordcount
