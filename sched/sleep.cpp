// How a processor that has found nothing goes to sleep, and comes back; idle.h has the protocol.

#include "sched/scheduler_core.h"

#include <algorithm>
#include <utility>

namespace csp::inline v0::detail {
namespace {

/// So many wakes in a row brought nothing: by the time that we were awake, the waker had run what it woke us for.
constexpr std::uint32_t most_wakes_in_vain = 4;
/// For how long its next wakes are slept through, first and at the most: a wake costs the waker some 5 us.
constexpr nanos first_doze_time = 20'000;
constexpr nanos longest_doze_time = 2'560'000;
/// A timer that is due sooner is waited for awake: to fall asleep and to be woken takes a thread longer, and a virtual
/// machine's several times as long.
constexpr nanos shortest_sleep = 10'000;
/// Where timers are dense the next ones wait for so long, to be due together: a sleep costs more than what most of them
/// wake their tasks for, some 10 us. That is a twentieth of the time for which the shortest of them were armed.
constexpr nanos dense_sleep = 400'000;
/// Among timers that were armed for less than that: as long as Linux makes a thread's own timers wait, to end several
/// at once (timer slack).
constexpr nanos brief_dense_sleep = 50'000;

}  // namespace

void processor::judge_wake(bool in_vain) noexcept {
  const std::uint32_t waker = woken_by_.get();
  if (waker == 0) {
    return;
  }
  woken_by_.set(0);
  observation& seen = observed_[waker - 1];
  if (!in_vain) {
    seen.wakes_in_vain = 0;
    seen.doze_time = 0;
  } else if (++seen.wakes_in_vain >= most_wakes_in_vain) {
    seen.doze_time = std::clamp(2 * seen.doze_time, first_doze_time, longest_doze_time);
    seen.dozes_until = core().now() + seen.doze_time;
  }
}

nanos processor::begin_avoidance(unsigned end) noexcept {
  scheduler_core& owner = core();
  const nanos now = owner.now();
  nanos earliest = never;
  for (unsigned at = 0; at < end; ++at) {
    observation& seen = observed_[at];
    const nanos until = std::max(seen.shunned_until, seen.dozes_until);
    seen.avoided = now < until;
    if (seen.avoided) {
      earliest = std::min(earliest, until);
      // relaxed: who sees it late wakes us once in vain, or goes without us until then.
      owner.at(at).avoiders_.fetch_add(1, std::memory_order_relaxed);
    }
  }
  idle_.last = earliest != never;
  return earliest;
}

void processor::end_avoidance(unsigned end) noexcept {
  for (unsigned at = 0; at < end; ++at) {
    if (std::exchange(observed_[at].avoided, false)) {
      core().at(at).avoiders_.fetch_sub(1, std::memory_order_relaxed);
    }
  }
}

bool processor::begin_sleep() noexcept {
  scheduler_core& owner = core();
  count.sleeps.add(1);
  sleeping.set(true);
  // Who leaves no searcher behind answers for what lies in the shared queues; see idle.h.
  const bool everything = owner.idle.park(idle_, searching_);
  searching_ = false;
  // Pairs with the fences of submitters: they see us parked, or we see their task. Submitters in other processors use a
  // light fence. When all of them are parked (a spare's thread starts after it was counted), a plain one does: what
  // they submitted before they parked is seen by who has seen them parked, and by the step with which they leave the
  // list they see us in it.
  if (owner.idle.parked() < owner.active() && owner.settings().own_threads) {
    asymmetric_fence::heavy();
  } else {
    full_fence();
  }
  if (owner.halted() || work_in_sight(everything) || may_retire()) {
    return false;
  }
  owner.note_idle();
  return true;
}

void processor::end_sleep() noexcept {
  sleeping.set(false);
  // Taken off the list by a waker: then it counts us as a searcher.
  searching_ = !core().idle.leave(idle_);
  core().monitor().note_busy();
}

poller* processor::park_until(nanos limit) noexcept {
  poller* const source = poller_in_use();
  const bool claimed = source != nullptr && source->try_claim();
  core().monitor().note_parked();
  if (claimed) {
    static_cast<void>(parker_.park_in(*source, limit));
    return source;
  }
  static_cast<void>(parker_.park_until(limit));
  return nullptr;
}

void processor::deliver_from(poller* source) noexcept {
  if (source != nullptr) {
    source->deliver(this);
    source->release_claim(core().now());
  }
}

void processor::rest_among_timers(nanos until) noexcept {
  scheduler_core& owner = core();
  quit_search();
  timers_fired_ = 0;
  poller* source = nullptr;
  sleeping.set(true);
  owner.idle.begin_rest(*this);
  // Pairs with the fences in deliver() and notify_from_outside(): it sees us sleep, or we see its task. What other
  // processors push is theirs until we wake.
  full_fence();
  if (inbox_.size() == 0 && owner.ready_outside.size() == 0 && owner.injected.size() == 0 && !owner.halted() &&
      !retire_requested.get()) {
    count.sleeps.add(1);
    source = park_until(until);
  }
  owner.idle.end_rest(*this);
  sleeping.set(false);
  search_time_ = std::max(search_time_ / 2, shortest_search);  // to look on would have been in vain
  deliver_from(source);
}

bool processor::await_near_timer() noexcept {
  scheduler_core& owner = core();
  const nanos due = timers.earliest();
  if (due == never || !owner.settings().own_threads) {
    return false;
  }
  nanos now = owner.now();
  if (timers_are_dense() && due > now) {
    const nanos rest = now < timers.brief_until() ? brief_dense_sleep : dense_sleep;
    if (due < now + rest) {
      rest_among_timers(now + rest);
      return true;
    }
  }
  if (due >= now + shortest_sleep) {
    return false;
  }
  while (now < due && !has_work_in_line() && owner.ready_outside.size() == 0 && owner.injected.size() == 0 &&
         !owner.halted()) {
    cpu_relax();
    now = owner.now();
  }
  return true;
}

void processor::sleep() noexcept {
  judge_wake(true);
  if (await_near_timer()) {
    return;
  }
  poller* source = nullptr;
  // Before we are parked: who is told to wake nobody for its own pushes has nobody to wake for them.
  const unsigned others = core().active();
  const nanos no_longer_avoids = begin_avoidance(others);
  if (begin_sleep()) {
    const nanos start = core().now();
    const nanos limit = std::min(timers.earliest(), no_longer_avoids);
    timers_fired_ = 0;
    source = park_until(limit);
    // What came soon would have been found by looking on; what came late was not worth the looking.
    const bool soon = core().now() - start < longest_search;
    search_time_ = soon ? longest_search : std::max(search_time_ / 2, shortest_search);
  }
  end_sleep();
  if (no_longer_avoids != never) {
    end_avoidance(others);
  }
  deliver_from(source);
}

}  // namespace csp::inline v0::detail
