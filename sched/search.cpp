// How a processor without work looks for some, before it sleeps.
//
// A victim's ring and overflow list are open to all. Its local queue (the `next` slot and a short FIFO) holds what it
// is about to run; taking from there costs a heavy fence and tears a talking pair apart. So a thief does that only when
// the victim has made no switch for `patience`: it computes, and what waits there would wait on.
#include "sched/scheduler_core.h"
#include "sched/switch_task.h"

namespace csp::inline v0::detail {
namespace {

/// A talking pair leaves a task in `next` for some 20 ns; a stage of a pipeline for as long as it computes.
constexpr nanos patience = 1'000;
/// How long a searcher looks before it sleeps: longer than the gap between two items of a pipeline of 20 us stages, and
/// about what a futex sleep and wake costs.
constexpr nanos search_time = 40'000;
/// Pauses between two rounds, so that a searcher does not hammer its victims' cache lines.
constexpr int pauses_a_round = 8;
/// Most tasks taken by one theft.
constexpr std::uint32_t loot = 64;

}  // namespace

task* processor::adopt(task** items, std::uint32_t taken) noexcept {
  count.steals.add(taken);
  for (std::uint32_t i = 1; i < taken; ++i) {
    push_back(*items[i]);
  }
  return items[0];
}

task* processor::search_once(nanos now) noexcept {
  scheduler_core& owner = core();
  if (task* const item = take_pinned()) {
    return item;
  }
  if (task* const item = take_shared()) {
    return item;
  }
  const unsigned active = owner.active();
  const unsigned start = random.below(active);
  task* items[loot];
  for (unsigned i = 0; i < active; ++i) {
    const unsigned at = (start + i) % active;
    processor& victim = owner.at(at);
    if (&victim == this) {
      continue;
    }
    observation& seen = observed_[at];
    const std::uint64_t switches = victim.count.switches.get();
    if (seen.switches != switches) {
      seen = {switches, now};
    }
    const bool stuck = now - seen.since >= patience;
    if (const std::uint32_t taken = victim.steal_from(items, loot, stuck)) {
      return adopt(items, taken);
    }
    // Timers of a processor that computes; those of a sleeping one wake it.
    if (stuck && !victim.sleeping.get() && victim.timers.earliest() <= now &&
        fire_timers(victim.timers, now, loot) != 0) {
      if (task* const item = take_own(true)) {
        return item;
      }
    }
  }
  return nullptr;
}

task* processor::search() noexcept {
  scheduler_core& owner = core();
  const unsigned active = owner.active();
  if (active == 1 || may_retire()) {
    return nullptr;
  }
  if (!searching_) {
    if (!owner.idle.try_begin_search(owner.in_service())) {
      return nullptr;
    }
    searching_ = true;
  }
  const nanos start = owner.now();
  const bool patient = owner.settings().own_threads;
  nanos now = start;
  do {
    if (task* const item = search_once(now)) {
      searching_ = false;
      if (owner.idle.end_search()) {
        owner.wake_one();
      }
      return item;
    }
    if (timers.earliest() <= now || owner.halted()) {
      break;
    }
    for (int i = 0; i < pauses_a_round; ++i) {
      cpu_relax();
    }
    now = owner.now();
  } while (patient && now - start < search_time);
  return nullptr;
}

bool processor::work_in_sight(bool everything) noexcept {
  scheduler_core& owner = core();
  const nanos earliest = timers.earliest();
  if (inbox_.size() != 0 || (earliest != never && earliest <= owner.now())) {
    return true;
  }
  if (!everything) {
    return false;
  }
  if (owner.ready_outside.size() != 0 || owner.injected.size() != 0) {
    return true;
  }
  const unsigned active = owner.active();
  for (unsigned at = 0; at < active; ++at) {
    processor& other = owner.at(at);
    if (&other == this) {
      continue;
    }
    if (other.has_stealable_work()) {
      return true;
    }
    // A task that was spawned while we still searched lies in the local queue of a processor that may compute on: it is
    // ours if nothing moves there. If something moves, its owner comes to it, or the monitor does.
    const std::uint64_t switches = other.count.switches.get();
    const nanos start = steady_now();
    while (other.local_.has_items() && other.count.switches.get() == switches) {
      if (steady_now() - start >= 2 * patience) {
        return true;
      }
      cpu_relax();
    }
  }
  return false;
}

}  // namespace csp::inline v0::detail
