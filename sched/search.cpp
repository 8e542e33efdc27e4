// How a processor without work looks for some, before it sleeps.
//
// A victim's ring and overflow list are open to all. Its local queue (the `next` slot and a short FIFO) holds what it
// is about to run; taking from there costs a heavy fence and tears a talking pair apart. So a thief does that only when
// the victim has made no switch for `patience`: it computes, and what waits there would wait on.
//
// Whether thefts pay is measured, not guessed: a thief notes for how long a task that it took has kept it busy. A
// victim with long tasks opens itself (what it makes ready goes to its ring at once, processor.h), so that the stages
// of a pipeline spread; one whose tasks end sooner than they move is spared for a while.
#include "sched/scheduler_core.h"
#include "sched/switch_task.h"

#include <algorithm>

namespace csp::inline v0::detail {
namespace {

/// A talking pair leaves a task in `next` for some 20 ns; a stage of a pipeline for as long as it computes.
constexpr nanos patience = 10'000;
/// A task that was taken from another processor costs some 300 ns more than at home: its cell, its stack and what it
/// touches come from the other core's cache. A victim whose tasks keep us busy for less than this each is spared.
constexpr nanos least_gain = 500;
/// From here on it opens its queue for us: a hand-over costs it a few ns more and us a few microseconds less.
constexpr nanos open_gain = 2'000;
/// For how long a victim is spared, first and at the most: a burst of long tasks behind short ones waits so long.
constexpr nanos first_spare_time = 20'000;
constexpr nanos longest_spare_time = 160'000;
/// And it is not spared when it has stood still for this long.
constexpr nanos long_patience = 50'000;
/// Pauses between two rounds, at first and at the most: each look takes a cache line that the victim is writing to,
/// which costs the victim about 0.1 us.
constexpr int first_pauses = 8;
constexpr int most_pauses = 256;
/// Most tasks taken by one theft.
constexpr std::uint32_t most_loot = 64;

}  // namespace

task* processor::adopt(task** items, std::uint32_t taken) noexcept {
  count.steals.add(taken);
  for (std::uint32_t i = 1; i < taken; ++i) {
    push_back(*items[i]);
  }
  return items[0];
}

void processor::value_theft(nanos now) noexcept {
  observation& seen = observed_[robbed_];
  const nanos gain = std::min((now - robbed_at_) / loot_, observation::most_gain);
  loot_ = 0;
  seen.thefts_in_vain = 0;
  seen.gain += (gain - seen.gain) / 8;
  core().at(robbed_).open_to_thieves(seen.gain >= open_gain);
  if (seen.gain >= least_gain) {
    seen.spare_time = 0;
  } else {
    seen.spare_time = std::clamp(2 * seen.spare_time, first_spare_time, longest_spare_time);
    seen.spared_until = now + seen.spare_time;
  }
}

bool processor::may_rob(const observation& seen, nanos now) noexcept {
  return now >= seen.spared_until || now - seen.since >= long_patience;
}

task* processor::search_once(nanos now, nanos& worth_at) noexcept {
  scheduler_core& owner = core();
  if (task* const item = take_pinned()) {
    return item;
  }
  if (task* const item = take_shared()) {
    return item;
  }
  if (poller* const source = poller_in_use(); source != nullptr && source->poll(this, now) != 0) {
    if (task* const item = take_own()) {
      return item;
    }
    if (task* const item = take_pinned()) {
      return item;
    }
  }
  const unsigned active = owner.active();
  const unsigned start = random.below(active);
  task* items[most_loot];
  for (unsigned i = 0; i < active; ++i) {
    const unsigned at = (start + i) % active;
    processor& victim = owner.at(at);
    if (&victim == this) {
      continue;
    }
    observation& seen = observed_[at];
    const std::uint64_t switches = victim.count.switches.get();
    if (seen.switches != switches) {
      seen.switches = switches;
      seen.since = now;
    }
    // In a simulation patience is the simulator's affair: it lets processors stand still as it likes.
    const bool stuck = now - seen.since >= patience || is_simulated();
    if (shuns(seen, now)) {
      // Nothing of it is wanted, however long it lies there.
    } else if (!may_rob(seen, now) && !is_simulated()) {
      if (victim.has_stealable_work() || victim.local_.has_items()) {
        worth_at = std::min(worth_at, seen.spared_until);
      }
    } else {
      if (const std::uint32_t taken = victim.steal_from(items, most_loot, stuck)) {
        robbed_ = at;
        robbed_at_ = core().now();  // what it cost to take them is not their gain
        robbed_operations_ = shared_operations_.get();
        seen.since = robbed_at_;
        loot_ = taken;
        return adopt(items, taken);
      }
    }
    // Timers of a processor that computes; those of a sleeping one wake it.
    if (stuck && !victim.sleeping.get() && victim.timers.earliest() <= now &&
        fire_timers(victim.timers, now, most_loot) != 0) {
      if (task* const item = take_own()) {
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
  nanos start = owner.now();
  if (loot_ != 0) {
    value_theft(start);
  }
  const bool patient = owner.settings().own_threads;
  // What an open victim hands over comes soon, and is waited for.
  const bool expecting = observed_[robbed_].gain >= open_gain;
  int pauses = first_pauses;
  nanos now = start;
  do {
    nanos worth_at = never;
    if (task* const item = search_once(now, worth_at)) {
      searching_ = false;
      judge_wake(false);
      if (owner.idle.end_search()) {
        owner.pass_on_search(*this);
      }
      return item;
    }
    if (timers.earliest() <= now || owner.halted()) {
      break;
    }
    // All others sleep: there is nobody to take from, and what comes from outside wakes a sleeper as soon.
    if (owner.idle.parked() + 1 >= owner.in_service()) {
      break;
    }
    for (int i = 0; i < pauses; ++i) {
      cpu_relax();
    }
    if (!expecting && pauses < most_pauses) {
      pauses *= 2;
    }
    now = owner.now();
    if (patient && now - start >= search_time_ && worth_at != never) {
      nap(worth_at);
      start = now = owner.now();
    }
  } while (patient && now - start < search_time_);
  return nullptr;
}

void processor::nap(nanos until) noexcept {
  sleeping.set(true);
  // Pairs with the fence in deliver(): it sees us sleep, or we see its task.
  full_fence();
  if (inbox_.size() == 0 && !core().halted() && !retire_requested.get()) {
    parker_.park_until(std::min(until, timers.earliest()));
  }
  sleeping.set(false);
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
    if (&other == this || shuns(observed_[at], owner.now())) {
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
      if (!owner.settings().own_threads || steady_now() - start >= 2 * patience) {
        return true;
      }
      cpu_relax();
    }
  }
  return false;
}

}  // namespace csp::inline v0::detail
