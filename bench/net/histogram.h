// Counts of times, for quantiles: buckets of 1/64 of a power of two, so a quantile is at most 1.6 % above the truth.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace bench::net {

// Not thread-safe. About 20 KiB.
class histogram {
 public:
  // Negative times count as 0, times above 2^40 ns (18 minutes) as that.
  void add(std::int64_t nanoseconds) {
    ++counts_[bucket_of(static_cast<std::uint64_t>(std::clamp<std::int64_t>(nanoseconds, 0, largest)))];
    ++total_;
  }

  std::int64_t total() const { return total_; }

  // The time that a share `q` (0 to 1) of the times do not exceed; 0 when there are none.
  std::chrono::nanoseconds quantile(double q) const {
    const double wanted = q * static_cast<double>(total_);
    std::int64_t seen = 0;
    for (std::size_t bucket = 0; bucket < counts_.size(); ++bucket) {
      seen += counts_[bucket];
      if (seen > 0 && static_cast<double>(seen) >= wanted) return std::chrono::nanoseconds(upper_end(bucket));
    }
    return std::chrono::nanoseconds(0);
  }

 private:
  static constexpr unsigned part_bits = 6;  // 64 buckets to a power of two
  static constexpr std::uint64_t parts = 1 << part_bits;
  static constexpr unsigned largest_bits = 40;
  static constexpr std::int64_t largest = (std::int64_t{1} << largest_bits) - 1;

  // Below 64 a bucket holds one value. Above, with `shift` low bits dropped, 64 to 127 remain.
  static std::size_t bucket_of(std::uint64_t value) {
    const auto width = static_cast<unsigned>(std::bit_width(value));
    if (width <= part_bits) return value;
    const unsigned shift = width - part_bits - 1;
    return shift * parts + (value >> shift);
  }

  static std::int64_t upper_end(std::size_t bucket) {
    if (bucket < 2 * parts) return static_cast<std::int64_t>(bucket);
    const std::size_t shift = bucket / parts - 1;
    return static_cast<std::int64_t>(((bucket - shift * parts + 1) << shift) - 1);
  }

  std::array<std::int64_t, (largest_bits - part_bits + 1) * parts> counts_{};
  std::int64_t total_ = 0;
};

}  // namespace bench::net
