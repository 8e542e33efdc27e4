#include "bench/jobs.h"

#include <array>

#include "bench/work.h"

namespace bench {

std::uint64_t hash_block(const std::vector<std::uint64_t>& block) {
  std::uint64_t h = 1;
  for (int pass = 0; pass < block_passes; ++pass)
    for (std::uint64_t word : block) h = mix(h ^ word);
  return h;
}

std::uint64_t product_row(const std::vector<std::uint64_t>& a, const std::vector<std::uint64_t>& b, std::size_t r) {
  alignas(64) std::array<std::uint64_t, matrix_size> sums{};
  for (std::size_t k = 0; k < matrix_size; ++k) {
    const std::uint64_t factor = a[r * matrix_size + k];
    for (std::size_t c = 0; c < matrix_size; ++c) sums[c] += factor * b[k * matrix_size + c];
  }
  std::uint64_t h = 1;
  for (std::uint64_t s : sums) h = mix(h ^ s);
  return h;
}

}  // namespace bench
