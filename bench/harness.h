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

  bool failed() const { return !failure_.empty(); }
  const std::string& failure() const { return failure_; }
  const std::vector<std::pair<std::string, double>>& notes() const { return notes_; }
  std::int64_t ops() const { return ops_; }
  std::chrono::nanoseconds wall() const { return wall_; }
  std::chrono::nanoseconds cpu() const { return cpu_; }

 private:
  unsigned processors_;
  double scale_;
  std::int64_t ops_ = 0;
  std::chrono::steady_clock::time_point wall_start_{};
  std::chrono::nanoseconds cpu_start_{};
  std::chrono::nanoseconds wall_{};
  std::chrono::nanoseconds cpu_{};
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

// The value at quantile q of sorted values.
double quantile(std::span<const std::int64_t> sorted, double q);

}  // namespace bench
