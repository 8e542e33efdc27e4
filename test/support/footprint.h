// What a process has of the things that a test must give back.
#pragma once

#include <cstddef>
#include <string>

namespace csp_test {

struct footprint {
  std::size_t tasks = 0;
  std::size_t threads = 0;
  std::size_t fds = 0;
  std::size_t stacks = 0;  ///< that tasks or processors have a right to; idle stacks in the arena do not count
  std::size_t timers = 0;  ///< armed in schedulers that run

  static footprint now();
  /// now(), once it is not beyond `wanted`, or after a second: the kernel lists a joined thread for a moment longer.
  static footprint settled(const footprint& wanted);

  /// What there is more than `before`, and fewer file descriptors, in words; empty when there is nothing. Threads may
  /// be fewer: one that was joined before may still have been listed then.
  [[nodiscard]] std::string beyond(const footprint& before) const;

  friend bool operator==(const footprint&, const footprint&) = default;
};

}  // namespace csp_test
