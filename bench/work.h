// Plain work and plain answers that several peers share: a unit of CPU work, a prime by trial division.
#pragma once

#include <cstdint>
#include <vector>

namespace bench {

// One step depends on the one before, so that it takes about the same time in every language. The Go twin has the same.
inline std::uint64_t mix(std::uint64_t h) {
  h ^= h >> 32;
  h *= 0xd6e8feb86659fd93u;
  return h;
}

inline std::uint64_t mix_steps(std::uint64_t h, int steps) {
  for (int i = 0; i < steps; ++i) h = mix(h);
  return h;
}

inline std::int64_t nth_prime(std::int64_t n) {
  std::vector<std::int64_t> primes;
  for (std::int64_t candidate = 2; static_cast<std::int64_t>(primes.size()) < n; ++candidate) {
    bool prime = true;
    for (std::int64_t p : primes) {
      if (p * p > candidate) break;
      if (candidate % p == 0) {
        prime = false;
        break;
      }
    }
    if (prime) primes.push_back(candidate);
  }
  return primes.back();
}

}  // namespace bench
