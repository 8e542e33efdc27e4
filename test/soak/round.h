// One round of the soak: some parts at once, on a scheduler in csp::run and another one beside it. All choices follow
// from the seed; what threads do with them does not.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace csp_test {

struct round_result {
  std::string plan;                   ///< processors and parts, in words
  std::vector<std::string> failures;  ///< none: the accounts are exact and nothing is left
  std::size_t memory = 0;             ///< allocations in use when it had ended
};

/// A round that has not ended after `limit` ends the program.
round_result run_round(std::uint64_t seed, std::chrono::seconds limit);

}  // namespace csp_test
