// The stack arena: all stacks of the process, cut from large no-reserve mappings ("slabs"), and the depot of idle ones.
//
// Three steps make a stack, and only the first can fail:
//   reserve  takes a credit: address space for one more stack exists. An mmap once in many credits. std::bad_alloc.
//   carve    the first time a stack's range is used: guard installed, header written (touches its top page).
//   bind     a carved stack from a pool or the depot, LIFO.
// Invariant: ranges (stacks in slabs) >= credits given out. A stack_pool never holds more idle stacks than credits that
// nobody uses; so whoever holds a credit finds a stack in its own pool, in the depot, or uncarved. Nothing is unmapped.
//
// Layout of a stack, from low to high: guard page | usable memory, growing down | stack_block | colour gap.
// Colour: equally aligned stacks put the header and first frames of every task into the same few sets of the L1 cache,
// so tops are shifted by a multiple of a cache line that depends on the stack's index alone (lookup() needs no table).
//
// A frame larger than the guard page can step over it into the neighbour below unseen: code with such frames is to be
// compiled with -fstack-clash-protection, which touches every page on the way.
//
// Thread-safe. Lock order: shelf lock of a class, then the slab table's lock; both are leaves for everybody else.
#pragma once

#include "sched/base/atomic.h"

#include <array>
#include <cstddef>
#include <cstdint>

#include "sched/stack_class.h"
#include "sched/stack_guard.h"

namespace csp::inline v0::detail {

// The header of a stack, one cache line right above the usable memory. It lives as long as the process.
struct alignas(64) stack_block {
  stack_block* next = nullptr;         // link for the one who owns the idle stack (depot, pool)
  void* usable_top = nullptr;          // where the first frame starts: coloured, 16-byte aligned
  std::byte* base = nullptr;           // lowest address: the guard page
  std::size_t size = 0;                // from base, guard page, header and colour gap included
  atomic<const void*> owner{nullptr};  // the task that runs here, for the overflow message; null when idle
  void* fiber = nullptr;               // the sanitizer's notion of this stack
  std::uint32_t class_index = 0;
  stack_guard_kind guard = stack_guard_kind::canary;
  atomic<std::uint8_t> carved{0};  // last field written by a carve: lookup() trusts the block

  // Lowest address that frames may use, and how many bytes there are.
  std::byte* usable_bottom() const noexcept { return base + memory_page_size(); }
  std::size_t usable_size() const noexcept {
    return static_cast<std::size_t>(static_cast<std::byte*>(usable_top) - usable_bottom());
  }
};
static_assert(sizeof(stack_block) == 64, "one cache line");

struct stack_arena_statistics {
  std::size_t slabs = 0;                                // mappings made
  std::size_t mapped_bytes = 0;                         // address space in them
  std::size_t ranges = 0;                               // stacks that fit into them
  std::size_t credits = 0;                              // given out
  std::size_t carved = 0;                               // stacks that were used at least once
  std::size_t idle = 0;                                 // in the depot
  std::array<std::size_t, stack_guard_kinds> guards{};  // carved stacks by stack_guard_kind
};

class stack_arena {
 public:
  constexpr stack_arena() noexcept = default;
  ~stack_arena();  // unmaps everything: only for arenas of tests, instance() is never destroyed
  stack_arena(const stack_arena&) = delete;
  stack_arena& operator=(const stack_arena&) = delete;

  static stack_arena& instance() noexcept;

  // Takes `count` credits of a class: as many stacks more can be bound at once. All or nothing.
  [[nodiscard]] bool try_reserve(unsigned cls, std::size_t count) noexcept;
  void reserve(unsigned cls, std::size_t count);  // the same, or std::bad_alloc
  // Gives credits back; the stacks they stood for are in the depot or unbound.
  void unreserve(unsigned cls, std::size_t count) noexcept;

  // One stack: the depot's last, or else a fresh one. The caller holds an unused credit of this class.
  [[nodiscard]] stack_block* carve_or_take(unsigned cls) noexcept;
  // Up to `count` (>= 1) idle stacks, the hottest first; a fresh one, and only one, if there is none. Returns how many.
  // The caller holds `count` unused credits.
  [[nodiscard]] unsigned carve_or_take(unsigned cls, stack_block** out, unsigned count) noexcept;
  // Stacks of one class back to the depot; the last of them is the first to be taken again.
  void give(unsigned cls, stack_block* const* blocks, unsigned count) noexcept;

  // The stack that an address belongs to (its guard page included), or null. Lock-free and async-signal-safe.
  [[nodiscard]] stack_block* lookup(const void* address) noexcept;

  [[nodiscard]] stack_arena_statistics statistics() noexcept;

 private:
  struct slab {
    std::byte* base = nullptr;
    slab* next = nullptr;  // next slab of the class with uncarved ranges
    std::uint32_t stacks = 0;
    std::uint32_t carved = 0;  // under the class lock
    unsigned class_index = 0;
  };
  struct alignas(64) shelf {  // of one class
    thread_mutex lock;
    stack_block* idle = nullptr;  // the depot, LIFO
    slab* open = nullptr;         // slabs with uncarved ranges, filled one after the other
    std::size_t idle_count = 0;
    std::size_t ranges = 0;
    std::size_t credits = 0;
    std::size_t carved = 0;
  };
  // Slabs grow by a quarter, so even 1,000,000 stacks in batches of 64 need fewer than 50 a class.
  static constexpr std::size_t most_slabs = 1024;

  bool grow(unsigned cls, std::size_t need) noexcept;
  bool publish(unsigned cls, std::byte* base, std::size_t stacks) noexcept;
  stack_block* carve(unsigned cls, std::byte* base, std::uint32_t index) noexcept;
  static stack_block* header_at(std::byte* base, unsigned cls, std::uint32_t index) noexcept;

  std::array<shelf, stack_class_count> shelves_{};
  thread_mutex slabs_lock_;            // orders publishers
  atomic<std::size_t> slab_count_{0};  // [SA1] slabs below it are complete but for `next` and `carved`
  std::array<slab, most_slabs> slabs_{};
  std::array<atomic<std::size_t>, stack_guard_kinds> guards_{};
};

}  // namespace csp::inline v0::detail
