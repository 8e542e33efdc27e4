// The shared part of a ticker and of csp::after: a timer that sends the time on a channel of capacity one. It is a
// timer with a callback, not a task; a tick that nobody has taken yet is not repeated.
//
// Invariants
// - Counted: the handle holds a reference, and the heap holds one while the timer is armed or its callback runs.
// - The timer is armed and disarmed under `lock_`, so a stop that has returned is followed by no further tick.
#pragma once

#include "channel/channel.h"
#include "sched/base/atomic.h"
#include "sched/timer_heap.h"

#include <chrono>

namespace csp::inline v0::detail {

class CSP_API ticker_core {
 public:
  using tick_channel = channel<std::chrono::steady_clock::time_point>;

  /// Makes one that is stopped; the caller holds the one reference. Throws std::bad_alloc.
  static ticker_core* make();

  /// Ticks at `first`, and every `period` after it (0: only once). Replaces what was set before. Throws
  /// std::logic_error in a plain thread when no scheduler runs there.
  void start(nanos first, nanos period);
  /// No tick is sent after this returns; one may lie in the channel. False when it did not run.
  bool stop() noexcept;
  void release() noexcept;

  [[nodiscard]] const channel_pointer<tick_channel>& ticks() const noexcept { return ticks_; }

 private:
  ticker_core();
  ~ticker_core() = default;
  static void on_timer(timer& self, nanos now) noexcept;
  void expire(nanos now) noexcept;

  struct owned_timer : timer {
    ticker_core* owner = nullptr;
  };

  owned_timer timer_;
  spinlock lock_{lock_rank::ticker};
  bool running_ = false;  // guarded by lock_
  nanos period_ = 0;      // guarded by lock_
  channel_pointer<tick_channel> ticks_;
  atomic<std::uint32_t> references_{1};
};

}  // namespace csp::inline v0::detail
