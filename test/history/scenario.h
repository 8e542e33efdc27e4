// A random scenario: which actors do what on which channels. It follows from the seed alone; what comes of it is up to
// whoever runs the actors (run_history.h).
#pragma once

#include "test/history/history.h"

#include <cstdint>
#include <vector>

namespace csp_test {

/// How an operation is spelled.
enum class form : std::uint8_t {
  direct,  ///< send, try_send, send_for, recv ...; for one arm
  select,  ///< csp::select; for at most most_arms arms
  list,    ///< csp::select_list
};
inline constexpr std::size_t most_arms = 3;

struct step {
  operation what;  ///< without stamps and result
  form spelled = form::direct;
  unsigned limit = 0;   ///< microseconds, for patience::limited
  unsigned yields = 0;  ///< before it
};

struct scenario {
  std::uint64_t seed = 0;
  std::vector<std::size_t> capacities;
  std::vector<std::vector<step>> actors;
  /// Nobody gives up or closes, and there are as many sends as receives, any of which may meet: it ends by itself, so
  /// one that hangs has lost a wake.
  bool balanced = false;
};

/// 3 to 6 actors, 3 to 6 operations each, 1 or 2 channels. Every fourth seed makes a balanced one.
scenario make_scenario(std::uint64_t seed);

}  // namespace csp_test
