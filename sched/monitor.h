// The monitor: watches for processors that make no progress while work waits. It runs on the thread that waits in
// csp::run, or on one of its own for a scheduler object; it ticks while something runs and stands by when all is parked
// (standby.h), so an idle program makes no periodic wake-ups, and a timer's wake is one of its processor alone.
#pragma once

#include "sched/base/atomic.h"
#include "sched/base/clock.h"
#include "sched/base/relaxed.h"
#include "sched/hibernator.h"
#include "sched/standby.h"

#include <cstdint>
#include <vector>

namespace csp::inline v0::detail {

class scheduler_core;
class processor;

class watcher {
 public:
  explicit watcher(scheduler_core& core) noexcept : core_(core), hibernator_(core) {}

  /// Watches until `done` is set and wake() called, or `deadline` has passed. One thread at a time.
  void watch_until(const atomic<bool>& done, nanos deadline = never);

  /// Ends its sleep, for it to see that `done` is set. Any thread.
  void wake() noexcept { standby_.ring(); }

  /// A processor goes to work. By it, after it has left the idle set.
  void note_busy() noexcept;
  /// A processor is about to sleep, and has claimed the poller if it could. By it, parked or not.
  void note_parked() noexcept;

  /// Milliseconds since start. Any thread.
  [[nodiscard]] std::uint32_t ticks_now() const noexcept { return ticks_at(steady_now()); }
  /// The same as of the last look, or of when a processor last went to work; what tasks note when they begin to wait.
  /// Any thread.
  [[nodiscard]] std::uint32_t ticks() const noexcept { return ticks_.get(); }

  [[nodiscard]] const relaxed<std::uint32_t>& ticks_counter() const noexcept { return ticks_; }

  /// Sets the ticks, for a simulator: nobody else counts them then.
  void set_ticks(std::uint32_t ticks) noexcept { ticks_.set(ticks); }

  /// Forgets what it saw; before a start.
  void reset();
  /// Gets what it sleeps on, or gives it back. By who starts and stops the scheduler, with processors that have
  /// threads.
  void open() noexcept { standby_.open(); }
  void close() noexcept { standby_.close(); }

 private:
  /// What the last look has seen of one processor.
  struct sample {
    std::uint64_t switches = 0;
    nanos since = 0;     // when the switches were seen first
    nanos cpu_time = 0;  // of its thread, then
    bool stuck = false;
    bool told = false;            // that it waits for a futex
    nanos blocked_cpu_time = -1;  // its CPU time when it was seen in a futex wait
    nanos blocked_since = 0;      // when that was
  };

  [[nodiscard]] std::uint32_t ticks_at(nanos now) const noexcept;
  /// Sets the ticks.
  void count_ticks(nanos now) noexcept;
  /// Looks at everything that it watches, and does what is due.
  void look();
  /// True when the processor makes no progress while work waits; `attend`: an idle processor should help.
  [[nodiscard]] bool is_stuck(processor& subject, sample& seen, nanos now, bool& attend);
  /// Looks after the poller when nobody does; true when a sleeping processor should.
  [[nodiscard]] bool poller_is_left_alone(nanos now);
  /// Tells on stderr when a stuck processor's task waits for a lock of its thread's, which its holder may never release
  /// since it waits for this very thread. Once for each such wait.
  void tell_of_futex_wait(const processor& subject, sample& seen, nanos now);
  void add_spares(unsigned stuck, nanos now);
  /// True when all is parked: then the next sleep has been given its end.
  [[nodiscard]] bool stand_by(nanos now, nanos deadline) noexcept;
  [[nodiscard]] bool all_parked() const noexcept;
  /// True when nobody sleeps in the poller, and somebody should.
  [[nodiscard]] bool poller_needs_sleeper() const noexcept;
  /// To when the last one to park puts the end off; `rare`: the last standstill was a long one.
  [[nodiscard]] nanos next_look(nanos now, bool rare) const noexcept;
  /// When to look, while all is parked, after a processor that its first timer wakes; `never` when none has one.
  [[nodiscard]] nanos after_first_timer(nanos now) const noexcept;

  scheduler_core& core_;
  hibernator hibernator_;
  standby standby_;
  // These three are written by processors, too, several at once: estimates, of which the last one counts.
  relaxed<std::uint32_t> ticks_;
  relaxed<nanos> standstill_from_;   // when all was parked last
  relaxed<nanos> standstill_until_;  // when a processor went to work then
  std::vector<sample> samples_;
  relaxed<nanos> start_;   // read by all who ask for the ticks
  relaxed<nanos> looked_;  // when it looked last
  nanos period_ = 0;
  unsigned quiet_looks_ = 0;
  std::uint64_t departures_ = 0;  // of the idle set, at the last look
  bool was_parked_ = false;       // all, when these were counted
};

}  // namespace csp::inline v0::detail
