// Stacks of tasks that wait long: their memory goes back to the kernel, and their few live bytes move to compact memory
// (saved_frames.h) until the task runs again, at the same addresses.
//
// A hibernating stack is a custom stack (stack_custom.h) whose source is this file's; so other tasks pay nothing. The
// monitor drives the rounds (hibernator.h). The life of a stack:
//
//   free -> awake -> resident -> (moving) -> asleep -> (moving) -> awake or resident -> ... -> free
//
//   awake     its task runs, may run at any time, or has not started
//   resident  its task waits; the memory is there; resume_point is here and not in the task, whose own one is null: so
//             who wants to run it comes to resume(), by the way that a task takes which has no stack yet
//   asleep    the same, and the memory is gone
//   moving    somebody copies; all others wait for the few microseconds
//
// Invariants
// - Awake to resident is decided where wakers decide too, in the wait of the task (waiter::while_frozen), so a task
//   that is made ready before stays awake, and one that is made ready after comes to resume().
// - While a stack is awake or resident, all its pages are present: neither its task nor a system call that is given
//   its memory ever meets a trap.
// - A stack that moves away is protected first, so a write by others is in the copy, or waits for its end.
// - A touch of a sleeping stack by others is trapped (page_trap.h) and brings it back: resident. System calls that are
//   given its memory fail with EFAULT instead, so a task that waits for csp::blocking stays awake.
// - Slabs are never unmapped: an address tells its stack at any time.
//
// Thread-safe; on_fault() is async-signal-safe. Locks: of the free stacks (leaf); of the round, taken before the locks
// of wait queues.
#pragma once

#include "sched/base/atomic.h"
#include "sched/base/clock.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "sched/saved_frames.h"
#include "sched/stack_class.h"
#include "sched/stack_source.h"

namespace csp::inline v0::detail {

class scheduler_core;
struct task;

struct hibernation_statistics {
  std::size_t in_use = 0;       // stacks of live tasks
  std::size_t asleep = 0;       // of which have no memory
  std::size_t saved_bytes = 0;  // what they keep instead
  std::size_t mapped_bytes = 0;
  std::uint64_t sleeps = 0;   // times that a stack was put to sleep
  std::uint64_t wakes = 0;    // times that one was woken by its task's turn
  std::uint64_t touches = 0;  // times that one was woken by a touch
};

class hibernation {
 public:
  /// Stacks that are looked at in one step, side by side: a few system calls serve them all.
  static constexpr std::uint32_t group_size = 64;

  constexpr hibernation() noexcept = default;
  hibernation(const hibernation&) = delete;
  hibernation& operator=(const hibernation&) = delete;

  /// The process's one; never destroyed.
  [[nodiscard]] static hibernation& instance() noexcept;

  /// True when the kernel has what it takes; otherwise tasks get stacks of the pool. Any thread.
  [[nodiscard]] static bool available() noexcept;

  /// A stack_allocator: a stack of a class that has room for `size`. Any thread. Throws std::bad_alloc.
  [[nodiscard]] stack_memory allocate(std::size_t size);
  /// Its task has ended, or will never run. Any thread.
  void deallocate(stack_memory memory) noexcept;

  /// For a task on a stack of this file whose resume_point is null: brings the stack back and the resume_point too.
  /// False when it has never run: its first frame is to be made. The processor that is about to run it.
  [[nodiscard]] bool resume(task& next) noexcept;

  /// A fault at `address`: true when it was a touch of a stack of this file, and may be repeated now. In a handler of
  /// SIGBUS.
  [[nodiscard]] bool on_fault(const void* address) noexcept;

  /// What a step of a round found.
  struct step_result {
    std::uint32_t slept = 0;
    bool young = false;  // somebody waits, and not yet for long enough
  };
  /// Where a round is. Groups are numbered through all slabs.
  struct position {
    std::size_t slab = 0;
    std::uint32_t first = 0;
  };
  /// Puts to sleep what has waited for `after` ticks in the next group that is not wholly asleep, among the tasks of
  /// `core`; nothing when another thread does so. False at the end: then the position is the beginning. Any thread that
  /// holds no lock.
  [[nodiscard]] bool step(scheduler_core& core, position& where, std::uint32_t after, step_result& result) noexcept;
  /// Gives unused memory back. Any thread.
  void trim() noexcept;

  /// False as long as no task ever asked for such a stack. Any thread.
  [[nodiscard]] bool in_use() const noexcept { return slab_count_.load(std::memory_order_relaxed) != 0; }

  [[nodiscard]] hibernation_statistics statistics() noexcept;

 private:
  enum class stack_state : std::uint8_t { free, awake, resident, moving, asleep };

  struct record {
    atomic<stack_state> state{stack_state::free};
    bool canary = false;                // the guard page is no trap: it has to stay zero. Set once
    std::uint32_t next_free = 0;        // of a free one without memory: number + 1 in its slab. Under the lock
    atomic<task*> owner{nullptr};       // whose first frame was made here; null before and after
    std::byte* resume_point = nullptr;  // while resident, moving or asleep
    std::byte* saved = nullptr;         // while asleep: from live() to the top

    /// The lowest byte that the task needs, or one some bytes lower: frames are copied by whole words.
    [[nodiscard]] std::byte* live() const noexcept {
      constexpr std::uintptr_t alignment = 16;
      return reinterpret_cast<std::byte*>(reinterpret_cast<std::uintptr_t>(resume_point) / alignment * alignment);
    }
  };

  struct slab {
    std::byte* begin = nullptr;
    std::size_t stack_size = 0;
    std::uint32_t stacks = 0;
    std::uint32_t carved = 0;  // stacks that were given out ever. Under the lock
    std::uint32_t free = 0;    // the first free one without memory: number + 1. Under the lock
    record* records = nullptr;
    atomic<std::uint32_t>* wakeful = nullptr;  // for each group: stacks that are neither free nor asleep

    [[nodiscard]] std::byte* stack_at(std::uint32_t index) const noexcept { return begin + index * stack_size; }
  };

  struct place {
    slab* in = nullptr;
    std::uint32_t index = 0;

    [[nodiscard]] record& entry() const noexcept { return in->records[index]; }
    [[nodiscard]] std::byte* base() const noexcept { return in->stack_at(index); }
    [[nodiscard]] std::byte* usable() const noexcept { return base() + memory_page_size(); }
    [[nodiscard]] std::byte* top() const noexcept { return base() + in->stack_size; }
    // The lowest page that has to be present while nobody sleeps: the guard page too where it is none to the kernel.
    [[nodiscard]] std::byte* lowest() const noexcept { return entry().canary ? base() : usable(); }
    [[nodiscard]] atomic<std::uint32_t>& wakeful() const noexcept { return in->wakeful[index / group_size]; }
  };

  /// Free stacks that keep their memory, of one class, the hottest last.
  struct hot_shelf {
    static constexpr std::size_t capacity = 256;
    static constexpr std::size_t evicted = 64;  // at a time; their places lie on the stack of a task that ends
    std::array<place, capacity> stacks{};
    std::size_t count = 0;
  };
  struct candidates;

  static constexpr std::size_t most_slabs = 256;

  [[nodiscard]] place find(const void* address) noexcept;
  [[nodiscard]] place take_cold(unsigned cls);
  [[nodiscard]] bool grow(unsigned cls) noexcept;
  void evict(std::span<place> cold) noexcept;
  static void make_present(place where) noexcept;
  void restore(place where) noexcept;

  // hibernation_round.cpp; all under the round's lock.
  void find_candidates(scheduler_core& core, slab& in, std::uint32_t first, std::uint32_t after, candidates& found,
                       step_result& result) noexcept;
  void take_over(candidates& found) noexcept;
  void move_away(candidates& found, step_result& result) noexcept;
  [[nodiscard]] std::uint32_t move_run(std::span<const place> run) noexcept;
  [[nodiscard]] bool save(place where) noexcept;

  std::array<slab, most_slabs> slabs_{};
  atomic<std::size_t> slab_count_{0};
  thread_mutex free_lock_;
  std::array<hot_shelf, stack_class_count> hot_{};  // under free_lock_
  thread_mutex round_lock_;
  saved_frames saved_;  // allocates under round_lock_
  atomic<std::size_t> live_{0};
  atomic<std::size_t> asleep_{0};
  atomic<std::uint64_t> sleeps_{0};
  atomic<std::uint64_t> wakes_{0};
  atomic<std::uint64_t> touches_{0};
};

}  // namespace csp::inline v0::detail
