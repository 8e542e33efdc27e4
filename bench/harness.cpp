// The harness of the bench programs (harness.h). Plain standard C++ and Linux' /proc.
#include "bench/harness.h"

#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <exception>
#include <fstream>
#include <optional>

namespace bench {
namespace {

rusage process_usage() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage;
}

std::chrono::nanoseconds cpu_of(const rusage& usage) {
  auto sum = [](const timeval& a, const timeval& b) {
    return std::chrono::seconds(a.tv_sec + b.tv_sec) + std::chrono::microseconds(a.tv_usec + b.tv_usec);
  };
  return sum(usage.ru_utime, usage.ru_stime);
}

// The line of /proc/self/status that begins with `name`, 0 when there is none.
std::int64_t status_kb(std::string_view name) {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    std::int64_t kb = 0;
    if (word == name && status >> kb) return kb;
  }
  return 0;
}

// VmHWM, not ru_maxrss: the latter counts the memory that the parent had before the exec.
std::int64_t peak_rss_kb() { return status_kb("VmHWM:"); }

double milliseconds(std::chrono::nanoseconds d) { return std::chrono::duration<double, std::milli>(d).count(); }

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + '"';
}

struct arguments {
  unsigned processors = 1;
  unsigned repeat = 1;
  double scale = 1;
  bool list = false;
  std::vector<const row*> rows;
};

template <class Number>
bool parse(std::string_view text, Number& out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size();
}

// Fills in `args`; returns what is wrong, or nothing.
std::optional<std::string> read_arguments(std::span<char*> words, std::span<const row> rows, arguments& args) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (word == "--list") {
      args.list = true;
    } else if (word.starts_with("--")) {
      if (++i == words.size()) return std::string(word) + " needs a value";
      const std::string_view value = words[i];
      const bool good = word == "--processors" ? parse(value, args.processors) && args.processors >= 1
                        : word == "--repeat"   ? parse(value, args.repeat) && args.repeat >= 1
                        : word == "--scale"    ? parse(value, args.scale) && args.scale > 0
                                               : false;
      if (!good) return "bad argument: " + std::string(word) + " " + std::string(value);
    } else {
      auto found = std::find_if(rows.begin(), rows.end(), [&](const row& r) { return r.name == word; });
      if (found == rows.end()) return "no row " + quoted(word) + " (--list prints them)";
      args.rows.push_back(&*found);
    }
  }
  if (args.rows.empty())
    for (const row& r : rows) args.rows.push_back(&r);
  return std::nullopt;
}

measurement run_once(const row& r, const arguments& args) {
  measurement m(args.processors, args.scale);
  try {
    r.body(m);
    if (m.ops() == 0) m.fail("the row did nothing");
  } catch (const std::exception& e) {
    m.fail(std::string("exception: ") + e.what());
  } catch (...) {
    m.fail("unknown exception");
  }
  return m;
}

// The run with the median wall time; the first failed one, if there is any.
measurement run_row(const row& r, const arguments& args) {
  std::vector<measurement> runs;
  for (unsigned i = 0; i < args.repeat; ++i) {
    runs.push_back(run_once(r, args));
    if (runs.back().failed()) return runs.back();
  }
  std::sort(runs.begin(), runs.end(), [](const auto& a, const auto& b) { return a.wall() < b.wall(); });
  return runs[(runs.size() - 1) / 2];
}

void print_head(const row& r, std::string_view peer, const arguments& args) {
  std::printf("{\"row\":%s,\"peer\":%s,\"processors\":%u,", quoted(r.name).c_str(), quoted(peer).c_str(),
              args.processors);
}

void print_result(const measurement& m) {
  if (m.failed()) {
    std::printf("\"check\":%s}\n", quoted("failed: " + m.failure()).c_str());
    return;
  }
  const double ns_per_op = static_cast<double>(m.wall().count()) / static_cast<double>(m.ops());
  std::printf(
      "\"ns_per_op\":%.3f,\"ops\":%lld,\"wall_ms\":%.3f,\"cpu_ms\":%.3f,\"peak_rss_kb\":%lld,\"context_switches\":%"
      "lld,",
      ns_per_op, static_cast<long long>(m.ops()), milliseconds(m.wall()), milliseconds(m.cpu()),
      static_cast<long long>(peak_rss_kb()), static_cast<long long>(m.context_switches()));
  for (const auto& [name, value] : m.notes()) std::printf("%s:%.6g,", quoted(name).c_str(), value);
  std::printf("\"check\":\"ok\"}\n");
}

}  // namespace

std::int64_t measurement::scaled(std::int64_t count, std::int64_t unit) const {
  const auto units = static_cast<std::int64_t>(static_cast<double>(count) * scale_ / static_cast<double>(unit));
  return std::max<std::int64_t>(units, 1) * unit;
}

void measurement::start() {
  const rusage usage = process_usage();
  cpu_start_ = cpu_of(usage);
  context_switches_start_ = usage.ru_nvcsw + usage.ru_nivcsw;
  wall_start_ = std::chrono::steady_clock::now();
}

void measurement::stop(std::int64_t ops) {
  wall_ = std::chrono::steady_clock::now() - wall_start_;
  const rusage usage = process_usage();
  cpu_ = cpu_of(usage) - cpu_start_;
  context_switches_ = usage.ru_nvcsw + usage.ru_nivcsw - context_switches_start_;
  ops_ = ops;
}

void measurement::expect(std::string_view what, std::int64_t got, std::int64_t want) {
  if (got != want) fail(std::string(what) + " is " + std::to_string(got) + ", not " + std::to_string(want));
}

void measurement::fail(std::string why) {
  if (failure_.empty()) failure_ = std::move(why);
}

void measurement::note_lateness(std::span<std::int64_t> nanoseconds, std::string_view suffix,
                                std::chrono::nanoseconds unit) {
  if (nanoseconds.empty()) return;
  std::sort(nanoseconds.begin(), nanoseconds.end());
  if (nanoseconds.front() < 0) fail("something happened before it was due");
  const auto quantile = [&](std::string_view name, double q) {
    const auto at = static_cast<std::size_t>(q * static_cast<double>(nanoseconds.size() - 1));
    notes_.emplace_back(std::string(name) + std::string(suffix),
                        static_cast<double>(nanoseconds[at]) / static_cast<double>(unit.count()));
  };
  quantile("p50_", 0.5);
  quantile("p99_", 0.99);
  quantile("max_", 1);
}

std::int64_t resident_kb() { return status_kb("VmRSS:") + status_kb("VmPTE:"); }

int main_program(int argc, char** argv, std::string_view peer, std::span<const row> rows) {
  arguments args;
  if (auto wrong = read_arguments(std::span(argv, static_cast<std::size_t>(argc)).subspan(1), rows, args)) {
    std::fprintf(stderr, "%s: %s\n", argv[0], wrong->c_str());
    return 2;
  }
  if (args.list) {
    for (const row& r : rows) std::printf("%s %u\n", std::string(r.name).c_str(), r.min_processors);
    return 0;
  }
  int status = 0;
  for (const row* r : args.rows) {
    print_head(*r, peer, args);
    if (args.processors < r->min_processors) {
      std::printf("\"check\":\"skipped: needs %u processors\"}\n", r->min_processors);
    } else {
      std::fflush(stdout);  // so that a row that hangs or dies is named
      const measurement m = run_row(*r, args);
      print_result(m);
      if (m.failed()) status = 1;
    }
    std::fflush(stdout);
  }
  return status;
}

}  // namespace bench
