#include "sched/standby.h"

#include "sched/base/timer_fd.h"

#include <algorithm>

namespace csp::inline v0::detail {
namespace {

/// A processor for which the end is brought forward is looked after so soon.
constexpr nanos first_look = 1'000'000;
/// The end is put off when it is nearer than this, so the kernel is asked once in that time at the most.
constexpr nanos near_end = standby::longest_unwatched / 2;

}  // namespace

void standby::open() noexcept {
  const thread_mutex_guard guard(lock_);
  timer_ = open_timer_fd();
}

void standby::close() noexcept {
  const thread_mutex_guard guard(lock_);
  if (timer_ >= 0) {
    close_timer_fd(timer_);
    timer_ = -1;
  }
}

void standby::set(nanos at) noexcept {
  // relaxed: where it matters who sees it, in begin() and put_off(), a fence follows.
  at_.store(at, std::memory_order_relaxed);
  if (timer_ >= 0 && !set_timer_fd(timer_, at)) {
    timer_ = -1;  // somebody has closed it: the number is not ours any more
  }
}

void standby::limit(nanos deadline) noexcept {
  const thread_mutex_guard guard(lock_);
  limit_ = deadline;
}

void standby::tick(nanos at) noexcept {
  const thread_mutex_guard guard(lock_);
  set(at);
}

bool standby::begin(nanos at, std::uint64_t departures, const idle_set& idle, unsigned in_service) noexcept {
  tick(at);
  // Pairs with watch_from().
  full_fence();
  return stands_still(departures, idle, in_service);
}

void standby::sleep() noexcept {
  int timer = -1;
  {
    const thread_mutex_guard guard(lock_);
    timer = timer_;
  }
  if (timer >= 0) {
    sleep_on_timer_fd(timer);
  } else {
    static_cast<void>(parker_.park_until(at_.load(std::memory_order_relaxed)));
  }
}

void standby::bring_forward(nanos at) noexcept {
  const thread_mutex_guard guard(lock_);
  if (at >= at_.load(std::memory_order_relaxed)) {
    return;
  }
  set(at);
  if (timer_ < 0) {
    parker_.unpark();
  }
}

void standby::watch_from(nanos now) noexcept {
  // seq_cst: pairs with the fences in begin() and put_off(). Leaving the idle set was a seq_cst RMW: we see the later
  // time here, or we are seen to have left.
  if (at_.load(std::memory_order_seq_cst) > now + longest_unwatched) {
    bring_forward(now + first_look);
  }
}

bool standby::is_near(nanos now) const noexcept {
  // relaxed: a glance; put_off() looks again, under the lock.
  const nanos at = at_.load(std::memory_order_relaxed);
  return now < at && at < now + near_end;
}

void standby::put_off(nanos now, nanos at, std::uint64_t departures, const idle_set& idle,
                      unsigned in_service) noexcept {
  const thread_mutex_guard guard(lock_);
  at = std::min(at, limit_);
  // An end that has come is left alone: the monitor wakes for it, for ring() among others.
  if (timer_ < 0 || !is_near(now) || at <= at_.load(std::memory_order_relaxed)) {
    return;
  }
  set(at);
  // Pairs with watch_from().
  full_fence();
  if (!stands_still(departures, idle, in_service)) {
    set(std::min(at, now + first_look));
  }
}

}  // namespace csp::inline v0::detail
