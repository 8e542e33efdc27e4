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

}  // namespace

void watcher::reset() {
  samples_.assign(scheduler_core::most_processors, sample{});
  start_.set(steady_now());
  ticks_.set(0);
  period_ = shortest_period;
  quiet_looks_ = 0;
  last_doze_ = longest_period;
  departures_ = 0;
  hibernator_.reset();
}

std::uint32_t watcher::ticks_now() const noexcept {
  return static_cast<std::uint32_t>((steady_now() - start_.get()) / millisecond);
}

bool watcher::expects_work() noexcept {
  const std::uint64_t departures = core_.idle.departures();
  const bool came = departures != departures_;
  departures_ = departures;
  return came && last_doze_ < longest_period;
}

bool watcher::may_doze() noexcept {
  dozing_.store(true, std::memory_order_seq_cst);
  // Pairs with note_busy(): we see its processor out of the idle set, or it sees us dozing.
  full_fence();
  if (core_.idle.parked() >= core_.in_service()) {
    // One of them must sleep in the poller. The last to go found it claimed if somebody, such as this monitor or a
    // spare that has left since, was just asking: then one has to try again.
    const poller* const source = core_.io();
    if (source == nullptr || !source->in_use() || source->is_claimed()) {
      return true;
    }
    core_.wake_one();
  }
  dozing_.store(false, std::memory_order_relaxed);
  return false;
}

void watcher::wake_from_doze() noexcept {
  if (dozing_.exchange(false, std::memory_order_seq_cst)) {
    ticks_.set(ticks_now());  // nobody has counted meanwhile
    parker_.unpark();
  }
}

void watcher::watch_until(const atomic<bool>& done, nanos deadline) {
  // acquire: pairs with the release of whoever ends the watch.
  while (!done.load(std::memory_order_acquire)) {
    nanos now = steady_now();
    if (now >= deadline) {
      return;
    }
    bool dozing = !expects_work() && may_doze();
    if (dozing) {
      period_ = shortest_period;
      quiet_looks_ = 0;
      if (!done.load(std::memory_order_acquire)) {
        core_.look_for_deadlock();
        // With idle stacks to age, and waiting tasks to put to sleep, it wakes a few times more, then no longer.
        parker_.park_until(std::min({deadline, stack_arena::instance().next_ageing(), hibernator_.due(now)}));
        last_doze_ = steady_now() - now;
      }
      dozing = dozing_.load(std::memory_order_relaxed);  // else a processor has gone to work
      dozing_.store(false, std::memory_order_relaxed);
    } else {
      // Where work comes again and again to processors that all sleep, who goes to work does not have to wake us.
      const bool resting = core_.idle.parked() >= core_.in_service();
      parker_.park_until(std::min(deadline, add_saturating(now, resting ? longest_period : period_)));
    }
    look(dozing);
  }
}

bool watcher::is_stuck(processor& subject, sample& seen, nanos now, bool& attend) {
  const std::uint64_t switches = subject.count.switches.get();
  if (subject.sleeping.get() || subject.current() == nullptr || switches != seen.switches) {
    if (switches != seen.switches && core_.idle.parked() != 0 && subject.has_work(now)) {
      attend |= now - seen.since >= long_run * static_cast<nanos>(switches - seen.switches);
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

void watcher::look(bool dozing) {
  const nanos now = steady_now();
  ticks_.set(ticks_now());
  stack_arena::instance().age(now);
  hibernator_.work(now, dozing);
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
