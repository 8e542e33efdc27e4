// A small seeded generator, one for each processor: xoshiro256++ would be better and larger; choices of victims and
// select arms need only speed and reproducibility. The algorithm is xorshift64* (Vigna, "An experimental exploration
// of Marsaglia's xorshift generators", 2016).
#pragma once

#include "sched/base/sanitizer.h"

#include <cstdint>

namespace csp::inline v0::detail {

class random_source {
 public:
  explicit constexpr random_source(std::uint64_t seed = 1) noexcept : state_(seed != 0 ? seed : 1) {}

  /// The next 32 bits. Owner only.
  CSP_NO_TSAN constexpr std::uint32_t next() noexcept {
    // From the state as it is, before it moves on: nobody waits for that.
    const auto bits = static_cast<std::uint32_t>((state_ * 0x2545F4914F6CDD1Dull) >> 32);
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return bits;
  }

  /// A number in [0, bound), bound > 0; the bias of the multiplication (Lemire 2016) is below bound / 2^32.
  constexpr std::uint32_t below(std::uint32_t bound) noexcept {
    return static_cast<std::uint32_t>((static_cast<std::uint64_t>(next()) * bound) >> 32);
  }

 private:
  std::uint64_t state_;
};

}  // namespace csp::inline v0::detail
