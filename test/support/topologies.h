// The common frame of tests: a body runs on 1, 2, 4 and 8 processors, what it expects is collected thread-safely, and
// afterwards nothing may be left (footprint.h).
#pragma once

#include "test/support/catch.h"
#include "test/support/footprint.h"

#include <libcsp/csp.h>

#include <atomic>
#include <cstddef>
#include <functional>
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
  /// Reports to Catch2; on the test's own thread, when all is over. At least one check must have been made.
  void verify() const;

 private:
  std::atomic<long> checked_{0};
  mutable std::mutex lock_;
  std::vector<std::string> failures_;
};

/// True when an emulator runs this program: it has its own memory, threads and signals in between.
bool emulated();

/// What a program wrote, without the line that an emulator adds when a signal ends it.
std::string without_emulator(std::string text);

/// How much smaller loops are under sanitizers and emulation; 1 in plain builds.
std::size_t scaled(std::size_t plain);

/// Runs `body(expect, processors)` as the main task of csp::run on 1, 2, 4 and 8 processors, and checks what is left
/// after each.
void on_each_topology(const std::function<void(expectations& expect, unsigned processors)>& body,
                      csp::options options = {});

}  // namespace csp_test
