#include "channel/ticker_core.h"

#include "sched/base/fatal.h"
#include "sched/scheduler_core.h"

#include <stdexcept>

namespace csp::inline v0::detail {
namespace {

// Where a timer goes: to the calling processor, or to one of the default scheduler's.
processor& timer_home() {
  if (processor* const here = this_processor()) {
    return *here;
  }
  scheduler_core* const core = default_core();
  if (core == nullptr) {
    throw std::logic_error("csp: a timer was set in a plain thread while no csp::run is at work");
  }
  return core->at(0);
}

}  // namespace

ticker_core::ticker_core() : ticks_(new tick_channel(1)) {
  timer_.owner = this;
  timer_.fire = &on_timer;
}

ticker_core* ticker_core::make() { return new ticker_core; }

void ticker_core::release() noexcept {
  // acq_rel: the last owner sees what all others did.
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    delete this;
  }
}

void ticker_core::start(nanos first, nanos period) {
  processor& home = timer_home();
  bool earliest = false;
  {
    const spinlock_guard guard(lock_);
    if (running_ && timer_.heap->disarm(timer_)) {
      references_.fetch_sub(1, std::memory_order_relaxed);  // the handle's reference is still there
    }
    running_ = true;
    period_ = period;
    timer_.when = first;
    references_.fetch_add(1, std::memory_order_relaxed);
    earliest = home.timers.arm(timer_);
  }
  if (earliest && this_processor() != &home) {
    home.wake();
  }
}

bool ticker_core::stop() noexcept {
  const spinlock_guard guard(lock_);
  const bool was_running = running_;
  running_ = false;
  if (was_running && timer_.heap->disarm(timer_)) {
    references_.fetch_sub(1, std::memory_order_relaxed);  // the handle's reference is still there
  }
  return was_running;
}

void ticker_core::on_timer(timer& self, nanos now) noexcept { static_cast<owned_timer&>(self).owner->expire(now); }

void ticker_core::expire(nanos now) noexcept {
  std::chrono::steady_clock::time_point time{std::chrono::nanoseconds(now)};
  channel_base::handoff sent;
  {
    const spinlock_guard guard(lock_);
    // [TH1] acquire: a start() may have armed the timer afresh, and another processor may have taken it out again.
    const bool armed = timer_.armed.load(std::memory_order_acquire);
    // `never`: the scheduler has stopped and clears its timers.
    if (running_ && !armed && now != never) {
      {
        // Inside lock_: after a stop() nothing comes into the channel. A tick that finds no room is dropped.
        const spinlock_guard channel_guard(ticks_->lock);
        static_cast<void>(ticks_->attempt_send(&time, sent));
      }
      running_ = period_ != 0;
      if (running_) {
        // Ticks that were missed are left out; the rhythm is kept.
        const nanos missed = (now - timer_.when) / period_;
        timer_.when = add_saturating(timer_.when, (missed + 1) * period_);
        references_.fetch_add(1, std::memory_order_relaxed);  // the heap's; this call keeps its own to the end
        this_processor()->timers.arm(timer_);
      }
    } else if (!armed) {
      running_ = false;
    }
  }
  if (sent.partner != nullptr) {
    ticks_->move_to(*sent.partner, &time);
    make_ready(*sent.partner->owner);
  }
  release();
}

}  // namespace csp::inline v0::detail
