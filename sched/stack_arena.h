// The stack arena: all pooled stacks of the process, cut from slabs (stack_slabs.h), and the depot of idle ones.
//
// Three steps make a stack, and only the first can fail:
//   reserve  takes a credit: address space for one more stack exists. An mmap once in many credits. std::bad_alloc.
//   carve    a range without memory is used: guard installed if it has none, header written (touches its top page).
//   bind     a carved stack from a pool or the depot, LIFO.
// Invariant: ranges (stacks in slabs) >= credits given out. A stack_pool never holds more idle stacks than credits that
// nobody uses; so whoever holds a credit finds a stack in its own pool, in the depot, or without memory.
//
// Ageing (stack_ageing.cpp) takes what a burst has left back in three tiers: an idle stack is *resident*, then
// *released* (its pages go to the kernel, guard and address stay), then *renewed* or *unmapped* (its page tables go
// too, and whole slabs that no credit needs).
//
// A frame larger than the guard page can step over it into the neighbour below unseen: code with such frames is to be
// compiled with -fstack-clash-protection, which touches every page on the way.
//
// Thread-safe. Lock order: ageing lock, shelf lock of a class, the slab table's lock; leaves for everybody else.
#pragma once

#include "sched/base/atomic.h"
#include "sched/base/clock.h"

#include <array>
#include <cstddef>
#include <cstdint>

#include "sched/stack_block.h"
#include "sched/stack_slabs.h"

namespace csp::inline v0::detail {

struct stack_arena_statistics {
  std::size_t slabs = 0;                                // mappings in use
  std::size_t mapped_bytes = 0;                         // address space in them
  std::size_t ranges = 0;                               // stacks that fit into them
  std::size_t credits = 0;                              // given out
  std::size_t carved = 0;                               // stacks with a guard: bound, idle or released
  std::size_t in_use = 0;                               // bound, or in a processor's pool
  std::size_t idle = 0;                                 // in the depot, with their memory
  std::size_t released = 0;                             // in the depot, without memory
  std::uint64_t mappings_made = 0;                      // slabs, ever
  std::uint64_t mappings_ended = 0;                     // slabs unmapped, ever
  std::uint64_t carves = 0;                             // stacks that were given memory, ever
  std::uint64_t releases = 0;                           // idle stacks whose memory was released, ever
  std::uint64_t renewals = 0;                           // released stacks whose guard and page tables went, ever
  std::array<std::size_t, stack_guard_kinds> guards{};  // carved stacks by stack_guard_kind
};

class stack_arena {
 public:
  /// Between two rounds of ageing: four wake-ups a second of one thread, and only while there is something to age.
  static constexpr nanos ageing_period = 250'000'000;
  /// The mark is at least the highest use of so many rounds, two seconds: a sawtooth of that period finds its stacks.
  static constexpr unsigned rounds_remembered = 8;
  /// After so many rounds (four seconds) in which no stack needed memory, released ones lose their page tables.
  static constexpr unsigned rounds_before_renewal = 16;

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

  // One stack: the depot's last, or else one without memory. The caller holds an unused credit of this class.
  [[nodiscard]] stack_block* carve_or_take(unsigned cls) noexcept;
  // Up to `count` (>= 1) idle stacks, the hottest first; one without memory, and only one, if there is none. Returns
  // how many. The caller holds `count` unused credits.
  [[nodiscard]] unsigned carve_or_take(unsigned cls, stack_block** out, unsigned count) noexcept;
  // Stacks of one class back to the depot; the last of them is the first to be taken again.
  void give(unsigned cls, stack_block* const* blocks, unsigned count) noexcept;

  // The stack that an address belongs to (its guard page included), or null. Lock-free and async-signal-safe. Reads the
  // header, so a stray address in a slab that is unmapped at this very moment faults.
  [[nodiscard]] stack_block* lookup(const void* address) noexcept;

  // A round of ageing if one is due at `now`. Any thread; one at a time, others return at once.
  void age(nanos now) noexcept;
  // When the next round is due; `never` when nothing is left to age. Any thread.
  [[nodiscard]] nanos next_ageing() noexcept;

  [[nodiscard]] stack_arena_statistics statistics() noexcept;

 private:
  struct alignas(64) shelf {  // of one class
    thread_mutex lock;
    stack_block* idle = nullptr;     // the depot's resident stacks, LIFO
    stack_block* coldest = nullptr;  // the other end of that list
    stack_slab* slabs = nullptr;     // all, the oldest first
    stack_slab* open = nullptr;      // none before it has a range without memory
    std::size_t idle_count = 0;
    std::size_t ranges = 0;
    std::size_t credits = 0;
    std::size_t taken = 0;       // ranges whose state says so
    std::size_t released = 0;    // ranges whose state says so
    std::size_t in_transit = 0;  // taken ranges that are just being released
    std::size_t peak = 0;        // the most stacks in use since the last round
    std::size_t mark = 0;        // the decaying high-water mark of that
    std::array<std::size_t, rounds_remembered> peaks{};
    unsigned round = 0;           // the place of the next peak
    unsigned rounds_at_rest = 0;  // since a stack needed memory
    bool renewed = true;          // nothing was released since the last renewal
    std::uint64_t carves = 0;
    std::uint64_t releases = 0;
    std::uint64_t renewals = 0;
    std::uint64_t made = 0;
    std::uint64_t ended = 0;

    [[nodiscard]] std::size_t in_use() const noexcept { return taken - idle_count - in_transit; }
  };
  /// A range without memory that was taken for a carve.
  struct bare_range {
    stack_slab* slab;
    std::uint32_t index;
    std::uint8_t state;
  };
  /// Stacks that one step of ageing releases, so that no lock is held for long.
  static constexpr std::size_t ageing_batch = 1024;

  bool grow(unsigned cls, std::size_t need) noexcept;
  bool publish(unsigned cls, std::byte* base, std::size_t stacks) noexcept;
  [[nodiscard]] static bool take_bare(shelf& s, bare_range& out) noexcept;
  [[nodiscard]] stack_block* carve(unsigned cls, const bare_range& range) noexcept;

  // stack_ageing.cpp; all but settled() under the ageing lock.
  [[nodiscard]] static bool settled(const shelf& s, unsigned cls) noexcept;
  void age_class(unsigned cls) noexcept;
  [[nodiscard]] std::size_t pop_coldest(shelf& s, std::size_t most) noexcept;
  void release(unsigned cls, std::size_t count) noexcept;
  void renew(unsigned cls) noexcept;
  void renew_slab(shelf& s, stack_slab& slab) noexcept;
  void forget_guard(std::uint8_t state) noexcept;

  std::array<shelf, stack_class_count> shelves_{};
  stack_slab_table slabs_;
  std::array<atomic<std::size_t>, stack_guard_kinds> guards_{};
  thread_mutex ageing_lock_;
  atomic<nanos> ageing_due_{0};
  std::array<stack_block*, ageing_batch> batch_{};  // under the ageing lock
};

}  // namespace csp::inline v0::detail
