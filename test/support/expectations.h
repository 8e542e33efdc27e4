// What tasks and threads of a test expect, collected thread-safely.
#pragma once

#include "sched/base/source_location.h"

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

namespace csp_test {

/// Failures that tasks and threads report; Catch2's own assertions are for one thread.
class expectations {
 public:
  /// Notes a failure unless `holds`. Any task or thread.
  void operator()(bool holds, const char* text, csp::source_location site = csp::source_location::current()) {
    checked_.fetch_add(1, std::memory_order_relaxed);
    if (!holds) {
      const std::lock_guard guard(lock_);
      if (failures_.size() < 20) {
        failures_.push_back(std::string(site.file_name()) + ":" + std::to_string(site.line()) + ": " + text);
      }
    }
  }
  /// What was noted. When all is over.
  [[nodiscard]] const std::vector<std::string>& failures() const noexcept { return failures_; }
  /// Reports to Catch2; on the test's own thread, when all is over. At least one check must have been made.
  void verify() const;

 private:
  std::atomic<long> checked_{0};
  mutable std::mutex lock_;
  std::vector<std::string> failures_;
};

}  // namespace csp_test
