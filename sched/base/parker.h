// How an OS thread sleeps: the seam that a simulator replaces. A parker is one token: unpark() sets it, park_until()
// consumes it; unparking before the park makes the park return at once. Parkers are pooled with their owners and never
// freed, because a waker may touch one after its owner has gone on.
#pragma once

#include "sched/base/atomic.h"
#include "sched/base/clock.h"
#include "sched/base/config.h"
#include "sched/base/relaxed.h"

#include <cstdint>

namespace csp::inline v0::detail {

class CSP_API parker {
 public:
  parker() = default;
  parker(const parker&) = delete;
  parker& operator=(const parker&) = delete;
  virtual ~parker() = default;

  /// Sleeps until unparked (true, the token is consumed) or until `deadline` has passed (false). Its owner only.
  virtual bool park_until(nanos deadline) noexcept = 0;

  /// Sets the token and wakes the sleeper. Any thread; errno is kept.
  virtual void unpark() noexcept = 0;
};

/// Where else than on its futex a thread can sleep: in a poller. Never freed.
class CSP_API sleep_place {
 public:
  sleep_place() = default;
  sleep_place(const sleep_place&) = delete;
  sleep_place& operator=(const sleep_place&) = delete;
  virtual ~sleep_place() = default;

  /// Sleeps until interrupted, until the place has something to tell, or until `deadline`; may return early. One thread
  /// at a time.
  virtual void sleep_until(nanos deadline) noexcept = 0;

  /// Ends the present sleep, or the next one, early. Any thread; errno is kept.
  virtual void interrupt() noexcept = 0;
};

/// The real one, on a futex; makes a system call only when somebody sleeps.
class CSP_API futex_parker final : public parker {
 public:
  bool park_until(nanos deadline) noexcept override;
  void unpark() noexcept override;

  /// As park_until(), but sleeps in `place`; may return false before the deadline. Its owner only.
  bool park_in(sleep_place& place, nanos deadline) noexcept;
  /// Takes the token if it is there, without a sleep. Its owner only.
  bool take_token() noexcept {
    // acquire: as [P1], pairs with [P2].
    return state_.load(std::memory_order_relaxed) == notified &&
           state_.exchange(empty, std::memory_order_acquire) == notified;
  }

 private:
  enum state : std::uint32_t { empty, notified, sleeping, elsewhere };
  atomic<std::uint32_t> state_{empty};
  relaxed<sleep_place*> place_;  // while elsewhere; published by [P3]. A late waker may look at it afterwards
};

}  // namespace csp::inline v0::detail
