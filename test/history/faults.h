// Channels that are broken on purpose, a little: what the judge has to find.
#pragma once

#include "test/history/run_history.h"

#include <cstdint>

namespace csp_test {

enum class fault {
  none,
  loses,        ///< says that a value was sent, and drops it
  doubles,      ///< sends a value twice
  reorders,     ///< lets a value be overtaken by the next one
  gives_up,     ///< says that nothing could proceed, without a look
  sends_late,   ///< says that a value was sent when the channel was closed
  closes_twice  ///< tells a second one that its close was the first
};

/// Does steps as perform() does, but for one of a few on which the fault comes; which ones follows from the seed and
/// the order of the steps. Any task or thread.
performer faulty(fault kind, std::uint64_t seed);

}  // namespace csp_test
