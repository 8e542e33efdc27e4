// The harness of the bench programs: arguments, clocks, the check of each row's result, one JSON object a row.
//
// It knows nothing of any library under test, so that the C++ peers share it. A row's body sets up, calls start(), does
// the work, calls stop(ops), and then compares its result by expect(). A row whose result is wrong reports no number.
// Rows run one after the other on the thread that called main_program().
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bench {

// One run of one row: what the body may read, and where it leaves what it found.
// start() and stop() may be called from any one thread or task; everything else after stop(), or before start().
class measurement {
 public:
  measurement(unsigned processors, double scale) : processors_(processors), scale_(scale) {}

  unsigned processors() const { return processors_; }

  // The row's count at the chosen scale: a multiple of `unit`, at least one of it.
  std::int64_t scaled(std::int64_t count, std::int64_t unit = 1) const;

  void start();
  void stop(std::int64_t ops);

  // Only the first complaint is kept.
  void expect(std::string_view what, std::int64_t got, std::int64_t want);
  void fail(std::string why);

  // A further figure of the row, printed under this name.
  void note(std::string_view name, double value) { notes_.emplace_back(name, value); }

  // The middle, the 99th percentile and the largest of `nanoseconds`, in `unit`: p50_<suffix>, p99_<suffix>,
  // max_<suffix>. One that is below zero fails the row: something happened before it was due. Sorts them.
  void note_lateness(std::span<std::int64_t> nanoseconds, std::string_view suffix, std::chrono::nanoseconds unit);

  bool failed() const { return !failure_.empty(); }
  const std::string& failure() const { return failure_; }
  const std::vector<std::pair<std::string, double>>& notes() const { return notes_; }
  std::int64_t ops() const { return ops_; }
  std::chrono::nanoseconds wall() const { return wall_; }
  std::chrono::nanoseconds cpu() const { return cpu_; }
  std::int64_t context_switches() const { return context_switches_; }

 private:
  unsigned processors_;
  double scale_;
  std::int64_t ops_ = 0;
  std::chrono::steady_clock::time_point wall_start_{};
  std::chrono::nanoseconds cpu_start_{};
  std::int64_t context_switches_start_ = 0;
  std::chrono::nanoseconds wall_{};
  std::chrono::nanoseconds cpu_{};
  std::int64_t context_switches_ = 0;  // of the process' threads, by the kernel
  std::string failure_;
  std::vector<std::pair<std::string, double>> notes_;
};

struct row {
  std::string_view name;
  unsigned min_processors;
  void (*body)(measurement&);
};

// Arguments: --processors N, --repeat N (the run with the median wall time is reported), --scale F, --list, and the
// names of rows; without a name every row runs. Returns the exit status: 1 if a check failed, 2 for bad arguments.
int main_program(int argc, char** argv, std::string_view peer, std::span<const row> rows);

// What the process has in memory now, its page tables included.
std::int64_t resident_kb();

// Time since it was made.
class stopwatch {
 public:
  double microseconds() const {
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace bench
