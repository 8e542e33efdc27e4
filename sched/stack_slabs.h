// Slabs: the large no-reserve mappings that stacks are cut from, and the table that finds a stack by an address.
//
// Layout of a slab: stacks of one class side by side, then a byte of state for each. The bytes lie outside the stacks,
// so that a stack whose memory was given back to the kernel costs no page. Layout of a stack, from low to high: guard
// page | usable memory, growing down | stack_block | colour gap. Colour: equally aligned stacks put the header and
// first frames of every task into the same few sets of the L1 cache, so tops are shifted by a multiple of a cache line
// that depends on the stack's index alone (no table is needed).
//
// Invariants
// - A slab is published complete; find() trusts a slot only if its extent is the same before and after it read the
// rest.
// - Fields other than the published two are under the lock of the class.
#pragma once

#include "sched/base/atomic.h"

#include <array>
#include <cstddef>
#include <cstdint>

#include "sched/stack_block.h"

namespace csp::inline v0::detail {

/// What a byte of state says. A released stack keeps its guard.
namespace stack_state {
inline constexpr std::uint8_t fresh = 0;     // no memory, no guard
inline constexpr std::uint8_t released = 1;  // guard, no memory; the kind of guard is added
inline constexpr std::uint8_t taken = 0x80;  // bound to a task, or idle with its memory
constexpr std::uint8_t released_with(stack_guard_kind kind) noexcept {
  return static_cast<std::uint8_t>(released + static_cast<std::uint8_t>(kind));
}
constexpr stack_guard_kind guard_of(std::uint8_t state) noexcept {
  return static_cast<stack_guard_kind>(state - released);
}
}  // namespace stack_state

struct stack_slab {
  atomic<std::uintptr_t> address{0};
  atomic<std::uint64_t> extent{0};  // edition, class, number of stacks; no stacks: the slot is free

  stack_slab* next = nullptr;  // the next slab of the class
  std::byte* base = nullptr;
  std::uint8_t* states = nullptr;
  std::uint32_t stacks = 0;
  std::uint32_t taken = 0;     // states that say so
  std::uint32_t released = 0;  // states that say so
  std::uint32_t cursor = 0;    // all below it are taken
  unsigned class_index = 0;

  [[nodiscard]] std::byte* stack_at(std::uint32_t index) const noexcept {
    return base + index * stack_class_stride(class_index);
  }
  [[nodiscard]] std::uint32_t index_of(const std::byte* stack) const noexcept {
    return static_cast<std::uint32_t>(static_cast<std::size_t>(stack - base) / stack_class_stride(class_index));
  }
  /// Bytes of address space, the states included.
  [[nodiscard]] std::size_t mapped_bytes() const noexcept;
  /// Bytes of its stacks.
  [[nodiscard]] std::size_t stack_bytes() const noexcept { return stacks * stack_class_stride(class_index); }
};

/// Maps memory for `stacks` stacks and their states; null when the kernel refuses.
[[nodiscard]] std::byte* map_slab(unsigned cls, std::size_t stacks) noexcept;
void unmap_slab(unsigned cls, std::byte* base, std::size_t stacks) noexcept;
/// Gives the range of whole stacks back as fresh ones: no memory, no page tables, no guards. False: it is as before.
[[nodiscard]] bool renew_slab_range(std::byte* begin, std::size_t bytes) noexcept;

/// The header of stack `index` of a slab at `base`.
[[nodiscard]] stack_block* stack_header_at(std::byte* base, unsigned cls, std::uint32_t index) noexcept;

class stack_slab_table {
 public:
  constexpr stack_slab_table() noexcept = default;

  /// Enters a mapped slab, all stacks fresh; null when the table is full. Any thread.
  [[nodiscard]] stack_slab* publish(unsigned cls, std::byte* base, std::size_t stacks) noexcept;
  /// Takes a slab out; the caller unmaps it. Nobody runs on its stacks. Any thread.
  void retire(stack_slab& gone) noexcept;

  /// The header of the stack that an address belongs to (its guard page included), or null; it may be no live header.
  /// Lock-free and async-signal-safe, while the slab is there.
  [[nodiscard]] stack_block* find(const void* address) const noexcept;

  /// Slabs in use. Any thread.
  [[nodiscard]] std::size_t size() const noexcept { return used_.load(std::memory_order_relaxed); }

 private:
  // Slabs grow by a quarter, so even 1,000,000 stacks in batches of 64 need fewer than 50 a class.
  static constexpr std::size_t most_slabs = CSP_SHRUNK(1024, 4);

  thread_mutex lock_;             // orders publishers and retirers
  atomic<std::size_t> count_{0};  // [SL1] slots below it may be in use
  atomic<std::size_t> used_{0};   // a statistic
  std::array<stack_slab, most_slabs> slots_{};
};

}  // namespace csp::inline v0::detail
