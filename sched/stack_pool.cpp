#include "sched/stack_pool.h"

#include <algorithm>
#include <new>

#include "sched/stack_custom.h"
#include "sched/stack_usage.h"

namespace csp::inline v0::detail {

// Each unused credit covers a stack in the magazine, or there is none. Takes the credit that the caller asked for.
void stack_pool::fetch_credits(unsigned cls) {
  if (cls >= custom_stack_class) return;  // its memory is there already
  magazine& m = magazines_[cls];
  const std::uint32_t batch = stack_batch(cls);
  if (arena_.try_reserve(cls, batch)) {
    m.credits += batch - 1;
    return;
  }
  // Address space is short. Our own last credits are good if their stacks go to the depot, before the credits do.
  if (m.credits == 0) {
    arena_.reserve(cls, 1);  // or std::bad_alloc
    return;
  }
  give_back(cls, m.count);
  --m.credits;
}

// Leaves at least a batch, so the magazine stays covered: it holds at most a batch.
void stack_pool::spill_credits(unsigned cls) noexcept {
  if (cls >= custom_stack_class) {
    magazines_[cls].credits = 0;
    return;
  }
  const std::uint32_t batch = stack_batch(cls);
  magazines_[cls].credits -= batch;
  arena_.unreserve(cls, batch);
}

// The magazine is empty: half of it from the depot, as far as unused credits cover it; the first one is for the caller.
stack_block* stack_pool::refill(unsigned cls) noexcept {
  magazine& m = magazines_[cls];
  const std::uint32_t half = stack_batch(cls) / 2;
  const unsigned got = arena_.carve_or_take(cls, m.slots.data(), std::min(half, m.credits + 1));
  std::reverse(m.slots.begin(), m.slots.begin() + got);
  for (unsigned i = 0; i < got; ++i) {
    sanitizer::publish(m.slots[i]);
  }
  m.count = got - 1;
  return m.slots[m.count];
}

// The `count` coldest stacks go to the depot.
void stack_pool::give_back(unsigned cls, std::uint32_t count) noexcept {
  magazine& m = magazines_[cls];
  for (std::uint32_t i = 0; i < count; ++i) {
    sanitizer::observe(m.slots[i]);
  }
  arena_.give(cls, m.slots.data(), count);
  std::copy(m.slots.begin() + count, m.slots.begin() + m.count, m.slots.begin());
  m.count -= count;
}

// The magazine is full: its colder half goes to the depot. Or no credit covers this stack: it goes there itself.
void stack_pool::spill(stack_block* block) noexcept {
  const unsigned cls = block->class_index;
  if (cls >= custom_stack_class) {
    release_custom_stack(block);
    return;
  }
  magazine& m = magazines_[cls];
  if (m.count > m.credits) {
    arena_.give(cls, &block, 1);
    return;
  }
  give_back(cls, m.count / 2);
  m.slots[m.count++] = block;
}

void stack_pool::measure(stack_block& block) noexcept {
  until_measured_ = takes_a_measurement;
  block.measured = prepare_stack_measurement(block);
}

void stack_pool::flush() noexcept {
  for (unsigned cls = 0; cls < stack_class_count; ++cls) {
    magazine& m = magazines_[cls];
    give_back(cls, m.count);
    if (m.credits != 0) arena_.unreserve(cls, m.credits);
    m.credits = 0;
  }
}

}  // namespace csp::inline v0::detail
