// The jobs of the rows that spread work over processors. Compiled once for all programs: the same instructions at the
// same places within a cache line, so that a figure tells schedulers apart and not where a loop happens to lie.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench {

inline constexpr std::size_t blocks = 16;         // 1 MiB of data: in the second-level cache or near it
inline constexpr std::size_t block_words = 8192;  // 64 KiB a block
inline constexpr int block_passes = 4;            // about 80 us a job

std::uint64_t hash_block(const std::vector<std::uint64_t>& block);

inline constexpr std::size_t matrix_size = 192;  // 288 KiB a matrix; a row of the product takes about 20 us

// A hash of row `r` of the product of two matrices.
std::uint64_t product_row(const std::vector<std::uint64_t>& a, const std::vector<std::uint64_t>& b, std::size_t r);

}  // namespace bench
