// What happened in a simulation, in order: as a hash, by which two runs are compared, and on demand as text.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

namespace csp::inline v0::detail {

class trace {
 public:
  enum class event : std::uint8_t { ran, preempted, slept, woke, time, failed, network };

  /// Also writes each event to stderr, as a line.
  void be_verbose() noexcept { verbose_ = true; }
  [[nodiscard]] bool is_verbose() const noexcept { return verbose_; }

  /// Notes an event and its figures.
  void note(event what, std::initializer_list<std::uint64_t> figures) noexcept {
    mix(static_cast<std::uint64_t>(what));
    for (const std::uint64_t figure : figures) {
      mix(figure);
    }
  }
  /// Writes a line, when it is verbose.
  void print(const std::string& line) const;

  [[nodiscard]] std::uint64_t hash() const noexcept { return hash_; }

 private:
  // FNV-1a (Fowler, Noll, Vo) with words in place of bytes, and a shift so that high bits count too.
  void mix(std::uint64_t word) noexcept {
    hash_ = (hash_ ^ word) * 0x100000001b3ull;
    hash_ ^= hash_ >> 29;
  }

  std::uint64_t hash_ = 0xcbf29ce484222325ull;
  bool verbose_ = false;
};

}  // namespace csp::inline v0::detail
