// A small random source for tests: all choices of a test follow from one seed.
#pragma once

#include <cstdint>

namespace csp_test {

/// splitmix64. For one task or thread at a time.
class dice {
 public:
  explicit dice(std::uint64_t seed) : state_(seed) {}

  std::uint64_t word() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }
  unsigned below(unsigned bound) { return static_cast<unsigned>(word() % bound); }
  /// True once in `period` times.
  bool once_in(unsigned period) { return below(period) == 0; }

 private:
  std::uint64_t state_;
};

}  // namespace csp_test
