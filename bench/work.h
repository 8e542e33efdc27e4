// Plain work and plain answers that the peers share: a unit of CPU work, memory to touch, primes by trial division.
#pragma once

#include <array>
#include <cstddef>
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

// Lines that a task touches after a switch in the cold rows: 1 KiB, so that 1000 tasks with their stacks and control
// blocks leave the first-level cache (32 to 48 KiB) and strain the second.
inline constexpr std::size_t cold_lines = 16;

// Lives on a task's stack. One counter a cache line.
template <std::size_t Lines>
class cold_memory {
 public:
  // Adds one to every line; returns the sum of the lines, which is what the calls so far have touched.
  std::int64_t touch() {
    // The memory may be looked at from outside: no compiler keeps the counters in registers instead.
    asm volatile("" : : "r"(lines_.data()) : "memory");
    std::int64_t sum = 0;
    for (line& l : lines_) {
      l.count = l.count + 1;
      sum += l.count;
    }
    return sum;
  }

 private:
  struct line {
    std::int64_t count = 0;
    std::array<std::int64_t, 7> rest{};  // 64 bytes with the counter
  };
  std::array<line, Lines> lines_{};
};

// The hot rows' variant.
template <>
class cold_memory<0> {
 public:
  std::int64_t touch() const { return 0; }
};

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
