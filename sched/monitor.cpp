#include "sched/monitor.h"

#include "sched/base/atomic.h"
#include "sched/base/os_thread.h"
#include "sched/processor.h"
#include "sched/scheduler_core.h"
#include "sched/stack_arena.h"

#include <algorithm>
#include <cstdio>
#include <ctime>

namespace csp::inline v0::detail {
namespace {

constexpr nanos millisecond = 1'000'000;
/// A processor that has run one task for so long, while work waits, gets help.
constexpr nanos stuck_after = 10 * millisecond;
/// The look starts fast, for a task that was left in a busy processor's local queue, and slows down when all goes well.
constexpr nanos shortest_period = millisecond;
constexpr nanos longest_period = 10 * millisecond;
constexpr unsigned quiet_looks_before_slower = 16;
/// A processor whose tasks run for so long each, while another one waits in line, has work for a sleeper. What it
/// makes ready in its `next` slot wakes nobody.
constexpr nanos long_run = 5'000;
/// A wait for a thread's lock that lasts so long is told: no well-kept lock is held for so long.
constexpr nanos long_futex_wait = 1'000 * millisecond;
/// And is the same wait, without any CPU time, for so long: some looks.
constexpr nanos confirmed_futex_wait = 100 * millisecond;
/// When all processors compute on and nobody has asked the poller for so long, the monitor sends a sleeper or asks.
constexpr nanos longest_unpolled = millisecond;
/// With stacks to age, or others to put to sleep, and spares, processors put the next look off to so long after the
/// last one.
constexpr nanos longest_chores_wait = 20 * millisecond;
/// Where descriptors are watched a standstill is hardly ever a deadlock: it is told after so long.
constexpr nanos deadlock_wait = 1'000 * millisecond;
/// Between two standstills of all processors: what worked for longer may have left work waiting, and is to be seen so.
constexpr nanos short_work = millisecond;

}  // namespace

void watcher::reset() {
  samples_.assign(scheduler_core::most_processors, sample{});
  start_.set(steady_now());
  ticks_.set(0);
  period_ = shortest_period;
  quiet_looks_ = 0;
  standstill_from_.set(0);
  standstill_until_.set(0);
  looked_.set(start_.get());
  was_parked_ = false;
  hibernator_.reset();
}

std::uint32_t watcher::ticks_at(nanos now) const noexcept {
  return static_cast<std::uint32_t>((now - start_.get()) / millisecond);
}

void watcher::count_ticks(nanos now) noexcept {
  // The line is read by many: it is left alone while nothing changes.
  if (const std::uint32_t ticks = ticks_at(now); ticks != ticks_.get()) {
    ticks_.set(ticks);
  }
}

bool watcher::all_parked() const noexcept { return core_.idle.parked() >= core_.in_service(); }

bool watcher::poller_needs_sleeper() const noexcept {
  const poller* const source = core_.io();
  return source != nullptr && source->in_use() && !source->is_claimed();
}

void watcher::note_busy() noexcept {
  if (!core_.settings().own_threads) {
    return;
  }
  const nanos now = steady_now();
  count_ticks(now);  // nobody may have done so meanwhile
  if (core_.idle.parked() + 1 >= core_.in_service() && standstill_from_.get() > standstill_until_.get()) {
    standstill_until_.set(now);
  }
  standby_.watch_from(now);
}

void watcher::note_parked() noexcept {
  // The last to go may have found the poller claimed by somebody who was just asking: then the monitor is to see that.
  if (!all_parked() || !core_.settings().own_threads || poller_needs_sleeper()) {
    return;
  }
  const nanos now = steady_now();
  const nanos worked_from = standstill_until_.get();
  const bool rare = worked_from - standstill_from_.get() >= standby::longest_unwatched;
  standstill_from_.set(now);
  std::uint64_t departures = 0;
  if (now - worked_from <= short_work && standby_.is_near(now) &&
      core_.idle.are_parked(core_.in_service(), departures)) {
    standby_.put_off(now, next_look(now, rare), departures, core_.idle, core_.in_service());
  }
}

nanos watcher::next_look(nanos now, bool rare) const noexcept {
  if (core_.spares_running() != 0 || hibernator_.in_use() || stack_arena::instance().next_ageing() != never) {
    return looked_.get() + longest_chores_wait;
  }
  const nanos soon = now + standby::longest_unwatched;
  if (!rare) {
    return soon;  // late enough for who goes to work before then, and who parks: the end is moved now and then only
  }
  if (const nanos timed = after_first_timer(now); timed != never) {
    return timed;
  }
  const poller* const source = core_.io();
  return source != nullptr && source->in_use() ? now + deadlock_wait : soon;
}

bool watcher::stand_by(nanos now, nanos deadline) noexcept {
  std::uint64_t departures = 0;
  if (!core_.idle.are_parked(core_.in_service(), departures)) {
    return false;
  }
  // With idle stacks to age, and waiting tasks to put to sleep, it wakes a few times more, then no longer.
  const nanos at =
      std::min({deadline, after_first_timer(now), stack_arena::instance().next_ageing(), hibernator_.due(now)});
  if (!standby_.begin(at, departures, core_.idle, core_.in_service())) {
    return false;
  }
  if (poller_needs_sleeper()) {
    core_.wake_one();
    return false;
  }
  return true;
}

nanos watcher::after_first_timer(nanos now) const noexcept {
  nanos first = never;
  const unsigned active = core_.active();
  for (unsigned i = 0; i < active; ++i) {
    first = std::min(first, core_.at(i).timers.earliest());
  }
  return first == never ? never : std::max(add_saturating(first, shortest_period), now + standby::longest_unwatched);
}

void watcher::watch_until(const atomic<bool>& done, nanos deadline) {
  standby_.limit(deadline);
  // acquire: pairs with the release of whoever ends the watch.
  while (!done.load(std::memory_order_acquire)) {
    const nanos now = steady_now();
    if (now >= deadline) {
      return;
    }
    if (stand_by(now, deadline)) {
      period_ = shortest_period;
      quiet_looks_ = 0;
      core_.look_for_deadlock();
    } else {
      standby_.tick(std::min(deadline, add_saturating(now, period_)));
    }
    // Who sets it wakes us after that: it is seen here, or the sleep ends at once.
    if (!done.load(std::memory_order_acquire)) {
      standby_.sleep();
    }
    look();
  }
}

bool watcher::is_stuck(processor& subject, sample& seen, nanos now, bool& attend) {
  const std::uint64_t switches = subject.count.switches.get();
  if (subject.sleeping.get() || subject.current() == nullptr || switches != seen.switches) {
    if (switches != seen.switches && core_.idle.parked() != 0 && subject.has_work(now)) {
      const nanos since = std::max(seen.since, standstill_until_.get());
      attend |= now - since >= long_run * static_cast<nanos>(switches - seen.switches);
    }
    seen = sample{.switches = switches, .since = now, .cpu_time = subject.thread_cpu_time()};
    if (subject.timers.earliest() <= now) {
      subject.request_chores();
    }
    return false;
  }
  if (!subject.has_work(now) && core_.ready_outside.size() == 0 && core_.injected.size() == 0) {
    return seen.stuck;  // a spare that was added for it stays while it is stuck
  }
  subject.request_chores();
  attend = true;
  seen.stuck = now - seen.since >= stuck_after;
  tell_of_futex_wait(subject, seen, now);
  return seen.stuck;
}

void watcher::tell_of_futex_wait(const processor& subject, sample& seen, nanos now) {
  task* const running = subject.current();
  if (seen.told || running == nullptr || now - seen.since < long_futex_wait) {
    return;
  }
  // A thread that computes may be in a short futex wait at each look; one that is blocked uses no CPU time at all.
  const nanos cpu_time = subject.thread_cpu_time();
  if (!waits_for_futex(subject.thread_number()) || cpu_time != seen.blocked_cpu_time) {
    seen.blocked_cpu_time = cpu_time;
    seen.blocked_since = now;
    return;
  }
  if (now - seen.blocked_since < confirmed_futex_wait) {
    return;
  }
  seen.told = true;
  sanitizer::observe(running);  // it was published long ago; the second that has passed is no edge to a checker
  char description[256];
  describe_task(*running, description, sizeof description);
  std::fprintf(stderr,
               "csp: processor %u has been blocked for a second in a futex wait, a std::mutex for instance, in %s, "
               "while other tasks wait for it; was the lock held over an operation that parks?\n",
               subject.index(), description);
}

void watcher::look() {
  const nanos now = steady_now();
  count_ticks(now);
  looked_.set(now);
  // All was parked throughout, if it was then and nobody has left the idle set since.
  std::uint64_t departures = 0;
  const bool parked = core_.idle.are_parked(core_.in_service(), departures);
  const bool slept = was_parked_ && departures == departures_;
  departures_ = departures;
  was_parked_ = parked;
  stack_arena::instance().age(now);
  hibernator_.work(now, slept);
  bool attend = false;
  unsigned stuck = 0;
  const unsigned active = core_.active();
  for (unsigned i = 0; i < active; ++i) {
    stuck += is_stuck(core_.at(i), samples_[i], now, attend) ? 1U : 0U;
  }
  attend |= poller_is_left_alone(now);
  if (attend) {
    core_.wake_one();
    period_ = shortest_period;
    quiet_looks_ = 0;
  } else if (++quiet_looks_ >= quiet_looks_before_slower) {
    period_ = std::min(2 * period_, longest_period);
    quiet_looks_ = 0;
  }
  if (core_.settings().spares != 0) {
    add_spares(stuck, now);
  }
}

bool watcher::poller_is_left_alone(nanos now) {
  poller* const source = core_.io();
  if (source == nullptr || !source->in_use() || source->is_claimed() || now - source->last_look() < longest_unpolled) {
    return false;
  }
  if (core_.idle.parked() != 0) {
    return true;
  }
  static_cast<void>(source->poll(nullptr, now));
  return false;
}

void watcher::add_spares(unsigned stuck, nanos now) {
  core_.reap_spares();
  const unsigned running = core_.spares_running();
  if (stuck > running && core_.idle.parked() == 0 && core_.idle.searchers() == 0) {
    unsigned blocked = 0;
    const unsigned active = core_.active();
    for (unsigned i = 0; i < active; ++i) {
      const sample& seen = samples_[i];
      const processor& subject = core_.at(i);
      // Blocked, not computing: it used less than half of the time, and that not for want of a CPU.
      const bool blocks = seen.stuck && subject.thread_cpu_time() - seen.cpu_time < (now - seen.since) / 2 &&
                          waits_in_kernel(subject.thread_number());
      blocked += blocks ? 1U : 0U;
    }
    // One spare at the most for tasks that compute, however many they are.
    const unsigned wanted = std::min(core_.settings().spares, blocked + (stuck > blocked ? 1U : 0U));
    if (wanted > running) {
      core_.add_spare();
    }
  } else if (running > stuck) {
    core_.retire_one_spare();
  }
}

}  // namespace csp::inline v0::detail
