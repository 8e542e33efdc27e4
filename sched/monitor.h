// The monitor: watches for processors that make no progress while work waits. It runs on the thread that waits in
// csp::run, or on one of its own for a scheduler object; it ticks while something runs and dozes when all is parked, so
// an idle program makes no periodic wake-ups.
#pragma once

#include "sched/base/atomic.h"
#include "sched/base/clock.h"
#include "sched/base/parker.h"
#include "sched/base/relaxed.h"
#include "sched/hibernator.h"

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

  /// Ends a doze, or a tick. Any thread.
  void wake() noexcept { parker_.unpark(); }

  /// A processor goes to work: ends the doze. By processors, after they have left the idle set.
  void note_busy() noexcept {
    // Pairs with the fence in may_doze(): leaving the idle set was a seq_cst RMW.
    if (dozing_.load(std::memory_order_seq_cst)) [[unlikely]] {
      wake_from_doze();
    }
  }

  /// Milliseconds since start. Any thread.
  [[nodiscard]] std::uint32_t ticks_now() const noexcept;
  /// The same as of the last tick, or of the end of the doze; what tasks note when they begin to wait. Any thread.
  [[nodiscard]] std::uint32_t ticks() const noexcept { return ticks_.get(); }

  [[nodiscard]] const relaxed<std::uint32_t>& ticks_counter() const noexcept { return ticks_; }

  /// Sets the ticks, for a simulator: nobody else counts them then.
  void set_ticks(std::uint32_t ticks) noexcept { ticks_.set(ticks); }

  /// Forgets what it saw; before a start.
  void reset();

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

  /// `dozing`: since the last look all was parked.
  void look(bool dozing);
  /// True when the processor makes no progress while work waits; `attend`: an idle processor should help.
  [[nodiscard]] bool is_stuck(processor& subject, sample& seen, nanos now, bool& attend);
  /// Looks after the poller when nobody does; true when a sleeping processor should.
  [[nodiscard]] bool poller_is_left_alone(nanos now);
  /// Tells on stderr when a stuck processor's task waits for a lock of its thread's, which its holder may never release
  /// since it waits for this very thread. Once for each such wait.
  void tell_of_futex_wait(const processor& subject, sample& seen, nanos now);
  void add_spares(unsigned stuck, nanos now);
  /// True while the last doze was short and work has come since the last look: the next doze would be short as well.
  [[nodiscard]] bool expects_work() noexcept;
  [[nodiscard]] bool may_doze() noexcept;
  void wake_from_doze() noexcept;

  scheduler_core& core_;
  hibernator hibernator_;
  futex_parker parker_;
  atomic<bool> dozing_{false};
  relaxed<std::uint32_t> ticks_;
  std::vector<sample> samples_;
  relaxed<nanos> start_;  // read by all who ask for the ticks
  nanos period_ = 0;
  nanos last_doze_ = 0;           // how long it was
  std::uint64_t departures_ = 0;  // of the idle set, at the last look
  unsigned quiet_looks_ = 0;
};

}  // namespace csp::inline v0::detail
