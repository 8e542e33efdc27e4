// The stack pool of one processor: a magazine of idle stacks and a purse of unused credits for each class.
//
// Owned by one thread at a time; the usual paths are plain loads and stores. The life of a task's stack:
//   take_credit (spawn, may throw) -> take (first run) -> give -> return_credit (finished).
// Each step may happen on another processor's pool: credits and stacks are alike.
//
// Invariant: count <= credits for each class, i.e. an unused credit covers each stack in the magazine, which is what
// lets the arena promise that a credit finds a stack. give() may exceed it by one until the return_credit() that
// follows it: the finishing task's own credit covers that stack meanwhile.
// AddressSanitizer sees the frames of an idle stack as poisoned, from give() to take().
#pragma once

#include <array>
#include <cstdint>

#include "sched/base/sanitizer.h"
#include "sched/stack_arena.h"
#include "sched/stack_overflow.h"

namespace csp::inline v0::detail {

class stack_pool {
 public:
  explicit stack_pool(stack_arena& arena = stack_arena::instance()) noexcept : arena_(arena) {}
  ~stack_pool() { flush(); }
  stack_pool(const stack_pool&) = delete;
  stack_pool& operator=(const stack_pool&) = delete;

  // The right to one take() of this class, anywhere, some time. Throws std::bad_alloc; then nothing has changed.
  void take_credit(unsigned cls) {
    magazine& m = magazines_[cls];
    if (m.credits > m.count) [[likely]] {
      --m.credits;
    } else {
      fetch_credits(cls);
    }
  }

  // Ends a credit: its stack was given back before, was handed on to a task with a credit of its own, or never taken.
  void return_credit(unsigned cls) noexcept {
    if (++magazines_[cls].credits > 2 * stack_batch(cls)) [[unlikely]]
      spill_credits(cls);
  }

  // True when take() finds one in this pool, in no time.
  [[nodiscard]] bool has(unsigned cls) const noexcept { return magazines_[cls].count != 0; }

  // The stack that was given last, or else one of the arena. The caller uses up its credit's right.
  [[nodiscard]] stack_block* take(unsigned cls) noexcept {
    magazine& m = magazines_[cls];
    stack_block* const block = m.count != 0 ? m.slots[--m.count] : refill(cls);
    sanitizer::observe(block);
    sanitizer::unpoison(block->usable_bottom(), block->usable_size());
    if (--until_measured_ == 0) [[unlikely]]
      measure(*block);
    return block;
  }

  // Back from a task that has ended; its credit follows by return_credit(), on this pool, before any other call here.
  // If the canary is broken, dies and names the owner: call it while owner can be described, or set owner to null.
  void give(stack_block* block) noexcept {
    check_stack_canary(*block);
    sanitizer::poison(block->usable_bottom(), block->usable_size());
    sanitizer::publish(block);
    magazine& m = magazines_[block->class_index];
    if (m.count < stack_batch(block->class_index) && m.count <= m.credits) [[likely]] {
      m.slots[m.count++] = block;
    } else {
      spill(block);
    }
  }

  // Everything back to the arena: when the processor stops. The pool stays usable.
  void flush() noexcept;

 private:
  struct magazine {
    std::uint32_t credits = 0;  // unused ones
    std::uint32_t count = 0;    // stacks in slots, the hottest at the end
    std::array<stack_block*, largest_stack_batch> slots;
  };

  void fetch_credits(unsigned cls);
  void spill_credits(unsigned cls) noexcept;
  stack_block* refill(unsigned cls) noexcept;
  void spill(stack_block* block) noexcept;
  void give_back(unsigned cls, std::uint32_t count) noexcept;
  void measure(stack_block& block) noexcept;

  // Takes from one measurement to the next: some microseconds each, so less than 10 ns a take. A prime, so that a
  // program's own rhythm does not hide a spawn site. The first comes soon, so that a short program shows something.
  static constexpr std::uint32_t takes_a_measurement = 509;
  static constexpr std::uint32_t takes_before_first = 5;

  stack_arena& arena_;
  std::uint32_t until_measured_ = takes_before_first;
  std::array<magazine, hibernating_stack_class + 1> magazines_;
};

}  // namespace csp::inline v0::detail
