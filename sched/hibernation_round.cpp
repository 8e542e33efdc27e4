// How stacks are put to sleep: in steps of one group, side by side in memory, so that a few system calls serve many.
//
// A step finds who has waited for long, takes the resume points of those whose wait is still undecided (from then on
// they come to resume() first), protects their memory, copies what is live, and gives the memory back. Protecting
// and giving back are done once for neighbours.
#include "sched/hibernation.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstdint>
#include <mutex>

#include "sched/base/asymmetric_fence.h"
#include "sched/base/sanitizer.h"
#include "sched/page_trap.h"
#include "sched/scheduler_core.h"
#include "sched/stack_block.h"
#include "sched/stack_overflow.h"
#include "sched/task.h"

namespace csp::inline v0::detail {

struct hibernation::candidates {
  std::array<place, group_size> places;
  std::array<task*, group_size> owners{};  // null: it is resident already, a touch had woken it
  std::uint32_t count = 0;

  void add(place where, task* owner) noexcept {
    places[count] = where;
    owners[count++] = owner;
  }
};

namespace {

// The stack of another one, which is protected by now: word by word, since for the sanitizers parts of its frames are
// out of bounds and its writers are rivals. The empty asm keeps the compiler from making it a call that they check.
CSP_NO_ASAN CSP_NO_TSAN void copy_frames(std::byte* to, const std::byte* from, std::size_t bytes) noexcept {
  auto* const target = reinterpret_cast<std::uint64_t*>(to);
  const auto* const source = reinterpret_cast<const std::uint64_t*>(from);
  for (std::size_t i = 0; i < bytes / sizeof(std::uint64_t); ++i) {
    std::uint64_t word = source[i];
    asm volatile("" : "+r"(word));
    target[i] = word;
  }
}

}  // namespace

bool hibernation::step(scheduler_core& core, position& where, std::uint32_t after, step_result& result) noexcept {
  const std::unique_lock hold(round_lock_, std::try_to_lock);
  // acquire: pairs with the release in grow().
  const std::size_t count = slab_count_.load(std::memory_order_acquire);
  for (; hold.owns_lock() && where.slab < count; ++where.slab, where.first = 0) {
    slab& in = slabs_[where.slab];
    for (; where.first < in.stacks; where.first += group_size) {
      // relaxed: a hint; who is missed now is found in the next round.
      if (in.wakeful[where.first / group_size].load(std::memory_order_relaxed) == 0) continue;
      candidates found;
      find_candidates(core, in, where.first, after, found, result);
      take_over(found);
      move_away(found, result);
      where.first += group_size;
      return true;
    }
  }
  where = position{};
  return false;
}

void hibernation::find_candidates(scheduler_core& core, slab& in, std::uint32_t first, std::uint32_t after,
                                  candidates& found, step_result& result) noexcept {
  for (std::uint32_t i = first; i < first + group_size; ++i) {
    const place where{&in, i};
    record& entry = where.entry();
    // acquire: pairs with the release of a move's end.
    const stack_state seen = entry.state.load(std::memory_order_acquire);
    if (seen == stack_state::resident) found.add(where, nullptr);
    if (seen != stack_state::awake) continue;
    // acquire: pairs with the release in resume(). The task may be another one by now: what is read here is a glance.
    task* const owner = entry.owner.load(std::memory_order_acquire);
    if (owner == nullptr || owner->listed_core.get() != &core) continue;
    const wait_kind waits_for = owner->waits_for.get();
    if (waits_for == wait_kind::none || waits_for == wait_kind::blocking) continue;
    if (core.coarse_time() - owner->waiting_since.get() < after) {
      result.young = true;
      continue;
    }
    found.add(where, owner);
  }
}

// Those whose tasks wait, and go on waiting for now, become resident. One fence for all.
void hibernation::take_over(candidates& found) noexcept {
  std::array<bool, group_size> entered{};
  bool any = false;
  for (std::uint32_t i = 0; i < found.count; ++i) {
    entered[i] = found.owners[i] != nullptr && found.owners[i]->enter();
    any |= entered[i];
  }
  if (any) asymmetric_fence::heavy();  // pairs with the light fence in leave_exclusive()
  for (std::uint32_t i = 0; i < found.count; ++i) {
    if (!entered[i]) continue;
    record& entry = found.places[i].entry();
    task& owner = *found.owners[i];
    static_cast<void>(owner.while_frozen([&]() noexcept {
      const auto* const stack = reinterpret_cast<const std::byte*>(owner.stack);
      // Else the cell has got another task meanwhile.
      if (stack < found.places[i].base() || stack >= found.places[i].top()) return;
      entry.resume_point = static_cast<std::byte*>(owner.context.resume_point.get());
      owner.context.resume_point.set(nullptr);
      // release: pairs with the acquire in resume().
      entry.state.store(stack_state::resident, std::memory_order_release);
    }));
    owner.leave();
  }
}

// Makes room for what is live; false when it is too much, or there is no memory. Holding the move.
bool hibernation::save(place where) noexcept {
  const auto bytes = static_cast<std::size_t>(where.top() - where.entry().live());
  where.entry().saved = bytes <= saved_frames::largest ? saved_.allocate(bytes) : nullptr;
  return where.entry().saved != nullptr;
}

void hibernation::move_away(candidates& found, step_result& result) noexcept {
  std::uint32_t moving = 0;
  for (std::uint32_t i = 0; i < found.count; ++i) {
    const place where = found.places[i];
    record& entry = where.entry();
    stack_state seen = stack_state::resident;
    // acquire: pairs with the release of who made it resident.
    if (!entry.state.compare_exchange_strong(seen, stack_state::moving, std::memory_order_acquire,
                                             std::memory_order_relaxed)) {
      continue;
    }
    if (save(where)) {
      found.places[moving++] = where;
    } else {
      entry.state.store(stack_state::resident, std::memory_order_release);  // pairs with all loads of the state
    }
  }
  const int saved_errno = errno;
  for (std::uint32_t begin = 0, end = 0; begin < moving; begin = end) {
    for (end = begin + 1; end < moving && found.places[end].index == found.places[end - 1].index + 1;) ++end;
    result.slept += move_run(std::span<const place>(found.places).subspan(begin, end - begin));
  }
  errno = saved_errno;
}

// Neighbours, all of them held; how many sleep now.
std::uint32_t hibernation::move_run(std::span<const place> run) noexcept {
  page_trap& trap = page_trap::instance();
  std::byte* const begin = run.front().usable();
  const auto bytes = static_cast<std::size_t>(run.back().top() - begin);
  bool gone = trap.protect(begin, bytes);
  if (gone) {
    for (const place& where : run) {
      if (where.entry().canary && !stack_canary_intact(where.base())) {
        die_of_broken_canary(*where.entry().owner.load(std::memory_order_relaxed)->stack);
      }
      std::byte* const live = where.entry().live();
      copy_frames(where.entry().saved, live, static_cast<std::size_t>(where.top() - live));
    }
    gone = ::madvise(begin, bytes, MADV_DONTNEED) == 0;  // refused for memory that is locked
    if (!gone) trap.unprotect(begin, bytes);
  }
  for (const place& where : run) {
    record& entry = where.entry();
    if (gone) {
      // relaxed: counters for a glance, and a hint where to look.
      asleep_.fetch_add(1, std::memory_order_relaxed);
      sleeps_.fetch_add(1, std::memory_order_relaxed);
      where.wakeful().fetch_sub(1, std::memory_order_relaxed);
    } else {
      saved_.give_back(entry.saved, static_cast<std::size_t>(where.top() - entry.live()));
      entry.saved = nullptr;
    }
    // release: pairs with all loads of the state.
    entry.state.store(gone ? stack_state::asleep : stack_state::resident, std::memory_order_release);
  }
  return gone ? static_cast<std::uint32_t>(run.size()) : 0;
}

void hibernation::trim() noexcept {
  const std::unique_lock hold(round_lock_, std::try_to_lock);
  if (hold.owns_lock()) saved_.trim();
}

}  // namespace csp::inline v0::detail
