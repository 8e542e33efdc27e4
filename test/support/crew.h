// Clients that run at once, as tasks or as plain threads: the same blocking code in both, so that the threads tell what
// plain libc does and the tasks, in programs that link the hooks, have to do the same.
#pragma once

#include "test/support/topologies.h"

#include <chrono>
#include <cstddef>
#include <functional>

namespace csp_test {

/// Who carries the clients.
struct carrier {
  /// Processors of a csp::run without spares, so that a client that blocks a processor's thread blocks all others of
  /// that processor; 0: each client is a plain thread, without a scheduler.
  unsigned processors = 0;
  [[nodiscard]] bool threads() const noexcept { return processors == 0; }
};

inline constexpr carrier all_carriers[] = {{0}, {1}, {4}};
/// For what is about one thread that nobody holds.
inline constexpr carrier narrow_carriers[] = {{0}, {1}};

/// What happened while a crew ran.
struct crew_report {
  std::chrono::milliseconds lasted{0};  ///< from the first start to the last end
  std::size_t ticks = 0;                ///< of a ticker that ran beside the clients, one for each tick_period at best
};
inline constexpr std::chrono::milliseconds tick_period{10};

/// Runs `client(index)` for each index below `count` at once and waits until all have ended; `meanwhile` runs beside
/// them. An exception that leaves either is a failure in `expect`. When they have not ended after a minute, which is
/// many times what any crew takes, the tasks are listed on stderr and the program aborts: a hang has no other end.
/// Checks with Catch2 that no thread and no file descriptor is left. For the test's own thread.
crew_report run_crew(
    expectations& expect, carrier by, std::size_t count, const std::function<void(std::size_t index)>& client,
    const std::function<void()>& meanwhile = [] {});

/// Checks with Catch2 that `count` clients, each of which waited for something that takes `each` at least, waited
/// together and not one after another, and that the ticker went on meanwhile.
void check_overlapped(const crew_report& report, std::size_t count, std::chrono::milliseconds each);

/// Lets clients wait for each other, as tasks or as threads: no one goes on before `count` have come.
class gate {
 public:
  explicit gate(std::size_t count) : missing_(static_cast<std::ptrdiff_t>(count)) {}

  /// Comes and waits for all others. For a client that ends early, come() alone.
  void pass() {
    come();
    wait();
  }
  void come() { missing_.done(); }
  /// For one that does not count.
  void wait() { missing_.wait(); }

 private:
  csp::wait_group missing_;
};

}  // namespace csp_test
