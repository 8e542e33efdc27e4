// How a processor that has found nothing goes to sleep, and comes back; idle.h has the protocol.

#include "sched/scheduler_core.h"

#include <algorithm>

namespace csp::inline v0::detail {

bool processor::begin_sleep() noexcept {
  scheduler_core& owner = core();
  count.sleeps.add(1);
  sleeping.set(true);
  // Who leaves no searcher behind answers for what lies in the shared queues; see idle.h.
  const bool everything = owner.idle.park(idle_, searching_);
  searching_ = false;
  // Pairs with the fences of submitters: they see us parked, or we see their task. Submitters in other processors use a
  // light fence; when there are none (a spare's thread starts after it was counted), a plain one does.
  if (owner.active() > 1 && owner.settings().own_threads) {
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

void processor::sleep() noexcept {
  poller* source = nullptr;
  if (begin_sleep()) {
    const nanos start = core().now();
    source = poller_in_use();
    if (source != nullptr && source->try_claim()) {
      static_cast<void>(parker_.park_in(*source, timers.earliest()));
    } else {
      source = nullptr;
      static_cast<void>(parker_.park_until(timers.earliest()));
    }
    // What came soon would have been found by looking on; what came late was not worth the looking.
    const bool soon = core().now() - start < longest_search;
    search_time_ = soon ? longest_search : std::max(search_time_ / 2, shortest_search);
  }
  end_sleep();
  if (source != nullptr) {
    source->deliver(this);
    source->release_claim(core().now());
  }
}

}  // namespace csp::inline v0::detail
