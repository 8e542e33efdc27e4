// Compact memory for the live bytes of sleeping stacks.
//
// Invariants
// - One thread at a time allocates (the round of hibernation.h holds a lock); anybody gives back, in a signal handler
//   too, by a push on a lock-free list that the next allocation empties.
// - When nothing is saved, all memory goes back to the kernel.
#pragma once

#include "sched/base/atomic.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace csp::inline v0::detail {

class saved_frames {
 public:
  /// The most bytes that one stack may keep here: what lies deeper is rare, and better left where it is.
  static constexpr std::size_t largest = 64 * 1024;

  constexpr saved_frames() noexcept = default;
  ~saved_frames();  // for those of tests; nothing is saved any more
  saved_frames(const saved_frames&) = delete;
  saved_frames& operator=(const saved_frames&) = delete;

  /// Memory for `size` bytes, at most `largest`; null when there is none. One thread at a time.
  [[nodiscard]] std::byte* allocate(std::size_t size) noexcept;

  /// Takes it back. Any thread; async-signal-safe.
  void give_back(std::byte* block, std::size_t size) noexcept;

  /// Gives the memory back to the kernel when nothing is saved. The thread that allocates.
  void trim() noexcept;

  /// Bytes that are given out, rounded up to their classes. Any thread; a glance.
  [[nodiscard]] std::size_t bytes_in_use() const noexcept { return in_use_.load(std::memory_order_relaxed); }

 private:
  struct free_block {
    free_block* next;
    std::size_t size_class;
  };
  struct chunk {
    std::byte* begin = nullptr;
    std::size_t size = 0;
  };

  // Frames of parked tasks are some hundred bytes, and much alike: fine steps cost nothing.
  static constexpr std::size_t step = 32;
  static constexpr std::size_t classes = largest / step;
  // Each chunk is a quarter of what there is before it, so these are enough for any address space.
  static constexpr std::size_t most_chunks = 128;
  static constexpr std::size_t smallest_chunk = std::size_t{1} << 20;

  [[nodiscard]] static constexpr std::size_t class_of(std::size_t size) noexcept {
    return size <= step ? 0 : (size - 1) / step;
  }
  [[nodiscard]] static constexpr std::size_t size_of(std::size_t size_class) noexcept {
    return (size_class + 1) * step;
  }

  void collect() noexcept;
  [[nodiscard]] std::byte* cut(std::size_t size) noexcept;

  std::array<free_block*, classes> free_{};
  std::array<chunk, most_chunks> chunks_{};
  std::size_t chunk_count_ = 0;
  std::size_t current_ = 0;  // the chunk that is being cut
  std::size_t cut_ = 0;      // bytes of it that were
  std::size_t mapped_ = 0;
  atomic<free_block*> returned_{nullptr};
  atomic<std::size_t> in_use_{0};
};

}  // namespace csp::inline v0::detail
