// How the arena takes back what a burst has left: by a decaying high-water mark, in rounds that somebody drives (the
// monitors of schedulers). It never runs while there is nothing to age, so an idle program has no periodic wake-ups.
//
// The mark of a class is the most stacks that were in use at once in the last rounds; beyond them it halves each round.
// Idle stacks above the mark are released, the coldest first. When no stack has needed memory for some rounds, released
// ranges are renewed, and slabs that no credit needs are unmapped.
#include "sched/stack_arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

#include "sched/base/sanitizer.h"

namespace csp::inline v0::detail {
namespace {

// Fewer bytes of released stacks side by side are not renewed: a page table spans 2 MiB, so none would be freed.
constexpr std::size_t smallest_renewal = std::size_t{2} << 20;

// Gives the memory of neighbouring stacks back, from the lowest base to the highest header; guards stay.
void release_pages(std::byte* begin, std::byte* end) noexcept {
  ::madvise(begin, static_cast<std::size_t>(end - begin), MADV_DONTNEED);  // refused for locked memory: it just stays
}

}  // namespace

// Under the class lock. A batch of idle stacks stays: as many as one processor keeps at hand.
bool stack_arena::settled(const shelf& s, unsigned cls) noexcept {
  return s.idle_count <= stack_batch(cls) && s.renewed;
}

nanos stack_arena::next_ageing() noexcept {
  for (unsigned cls = 0; cls < stack_class_count; ++cls) {
    shelf& s = shelves_[cls];
    const thread_mutex_guard hold(s.lock);
    if (!settled(s, cls)) return ageing_due_.load(std::memory_order_relaxed);
  }
  return never;
}

void stack_arena::age(nanos now) noexcept {
  // relaxed: the ageing lock orders what rounds do.
  if (now < ageing_due_.load(std::memory_order_relaxed)) return;
  const std::unique_lock hold(ageing_lock_, std::try_to_lock);
  if (!hold.owns_lock() || now < ageing_due_.load(std::memory_order_relaxed)) return;
  ageing_due_.store(add_saturating(now, ageing_period), std::memory_order_relaxed);
  const int saved_errno = errno;
  for (unsigned cls = 0; cls < stack_class_count; ++cls) age_class(cls);
  errno = saved_errno;
}

void stack_arena::age_class(unsigned cls) noexcept {
  shelf& s = shelves_[cls];
  bool renewal_due = false;
  {
    const thread_mutex_guard hold(s.lock);
    s.peaks[s.round] = s.peak;
    s.round = (s.round + 1) % rounds_remembered;
    s.peak = s.in_use();
    s.mark = std::max(*std::max_element(s.peaks.begin(), s.peaks.end()), s.mark / 2);
    ++s.rounds_at_rest;
    renewal_due = s.rounds_at_rest >= rounds_before_renewal && !s.renewed;
  }
  for (;;) {
    std::size_t count = 0;
    {
      const thread_mutex_guard hold(s.lock);
      const std::size_t keep = std::max<std::size_t>(stack_batch(cls), s.mark > s.in_use() ? s.mark - s.in_use() : 0);
      if (s.idle_count <= keep) break;
      count = pop_coldest(s, std::min(s.idle_count - keep, batch_.size()));
    }
    release(cls, count);
  }
  if (renewal_due) renew(cls);
}

// Under the class lock. Into the batch.
std::size_t stack_arena::pop_coldest(shelf& s, std::size_t most) noexcept {
  std::size_t count = 0;
  while (count < most && s.coldest != nullptr) {
    batch_[count++] = s.coldest;
    s.coldest = s.coldest->previous;
  }
  (s.coldest != nullptr ? s.coldest->next : s.idle) = nullptr;
  s.idle_count -= count;
  s.in_transit += count;
  return count;
}

// The batch's memory goes, with one call for neighbours.
void stack_arena::release(unsigned cls, std::size_t count) noexcept {
  const auto batch_end = batch_.begin() + static_cast<std::ptrdiff_t>(count);
  std::sort(batch_.begin(), batch_end, [](const stack_block* a, const stack_block* b) { return a->base < b->base; });
  const std::size_t stride = stack_class_stride(cls);
  struct left_behind {
    std::byte* base;
    std::uint8_t state;
  };
  std::array<left_behind, ageing_batch> ranges;  // what is known of them when their headers have gone
  for (std::size_t i = 0; i < count; ++i) {
    ranges[i] = {batch_[i]->base, stack_state::released_with(batch_[i]->guard)};
    sanitizer::destroy_handle(batch_[i]->fiber);
  }
  for (std::size_t begin = 0, end = 0; begin < count; begin = end) {
    end = begin + 1;
    while (end < count && ranges[end].base == ranges[end - 1].base + stride) ++end;
    release_pages(ranges[begin].base + memory_page_size(), ranges[end - 1].base + stride);
  }
  shelf& s = shelves_[cls];
  const thread_mutex_guard hold(s.lock);
  stack_slab* slab = s.slabs;
  for (std::size_t i = 0; i < count; ++i) {
    const auto holds = [&](const stack_slab* candidate) {
      return ranges[i].base >= candidate->base && ranges[i].base < candidate->base + candidate->stack_bytes();
    };
    if (!holds(slab)) {
      for (slab = s.slabs; !holds(slab); slab = slab->next) {
      }
    }
    const std::uint32_t index = slab->index_of(ranges[i].base);
    slab->states[index] = ranges[i].state;
    slab->cursor = std::min(slab->cursor, index);
    --slab->taken;
    ++slab->released;
  }
  s.in_transit -= count;
  s.taken -= count;
  s.released += count;
  s.releases += count;
  s.open = s.slabs;
  s.renewed = false;
}

// Under the ageing lock only: each slab takes the class lock for itself.
void stack_arena::renew(unsigned cls) noexcept {
  shelf& s = shelves_[cls];
  const thread_mutex_guard hold(s.lock);
  for (stack_slab** link = &s.slabs; *link != nullptr;) {
    stack_slab& slab = **link;
    if (slab.taken == 0 && s.ranges - slab.stacks >= s.credits) {
      *link = slab.next;
      for (std::uint32_t i = 0; i < slab.stacks; ++i) forget_guard(slab.states[i]);
      s.ranges -= slab.stacks;
      s.released -= slab.released;
      s.renewals += slab.released;
      ++s.ended;
      slabs_.retire(slab);
      unmap_slab(cls, slab.base, slab.stacks);
    } else {
      renew_slab(s, slab);
      link = &slab.next;
    }
  }
  s.open = s.slabs;
  s.renewed = true;
}

// Under the class lock. Long runs of released stacks become fresh ones.
void stack_arena::renew_slab(shelf& s, stack_slab& slab) noexcept {
  const std::size_t stride = stack_class_stride(slab.class_index);
  for (std::uint32_t begin = slab.cursor, end = 0; begin < slab.stacks; begin = end) {
    end = begin + 1;
    if (slab.states[begin] == stack_state::taken) continue;
    std::uint32_t with_guard = slab.states[begin] != stack_state::fresh ? 1 : 0;
    while (end < slab.stacks && slab.states[end] != stack_state::taken) {
      with_guard += slab.states[end++] != stack_state::fresh ? 1U : 0U;
    }
    const std::size_t bytes = (end - begin) * stride;
    if (with_guard == 0 || bytes < smallest_renewal || !renew_slab_range(slab.stack_at(begin), bytes)) continue;
    for (std::uint32_t i = begin; i < end; ++i) {
      forget_guard(slab.states[i]);
      slab.states[i] = stack_state::fresh;
    }
    slab.released -= with_guard;
    s.released -= with_guard;
    s.renewals += with_guard;
  }
}

// A guard goes with the mapping it was made in.
void stack_arena::forget_guard(std::uint8_t state) noexcept {
  if (state == stack_state::fresh) return;
  const stack_guard_kind kind = stack_state::guard_of(state);
  // relaxed: a statistic.
  guards_[static_cast<std::size_t>(kind)].fetch_sub(1, std::memory_order_relaxed);
  if (kind == stack_guard_kind::protection) return_stack_protection();
}

}  // namespace csp::inline v0::detail
