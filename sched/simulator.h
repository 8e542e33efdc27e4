// The seam to a simulator: what a scheduler asks of the one who drives it when it has no threads of its own. sched/sim/
// implements it. A scheduler in the ordinary service has none, and pays nothing for it.
#pragma once

#include "sched/base/config.h"

#include <cstdint>
#include <string>

namespace csp::inline v0::detail {

class network;
class processor;
struct timer;

/// All by the one thread that drives the simulation.
class CSP_API simulator {
 public:
  simulator() = default;
  simulator(const simulator&) = delete;
  simulator& operator=(const simulator&) = delete;
  virtual ~simulator() = default;

  /// The running task of `here` is about to do something that others could see: others may come first. It goes on on
  /// the same processor. On the task's stack; no spinlock is held.
  virtual void interleave(processor& here) noexcept = 0;

  /// True when a processor that looks for its next task should prefer what was made ready last.
  [[nodiscard]] virtual bool prefers_newest() noexcept = 0;

  /// Which of `parked` sleepers is woken, in [0, parked); 0 is the one that went to sleep last.
  [[nodiscard]] virtual std::uint32_t choose_sleeper(std::uint32_t parked) noexcept = 0;

  /// Something has gone wrong that would end a program, or that a simulation refuses; the simulation ends. Any task.
  virtual void fail(std::string what) noexcept = 0;

  /// Which simulation it is, for the message of a fatal error.
  [[nodiscard]] virtual std::string describe() const = 0;

  /// The simulated network (netio/network.h); null: there is none.
  [[nodiscard]] network* net() const noexcept { return net_; }
  /// Gives the simulation a network, or takes it away (null). `events` is the timer by which things happen in it: one
  /// that is armed when the main task has ended is not a timer left behind.
  void attach(network* net, timer* events) noexcept {
    net_ = net;
    events_ = events;
  }

 protected:
  [[nodiscard]] timer* network_events() const noexcept { return events_; }

 private:
  network* net_ = nullptr;
  timer* events_ = nullptr;
};

}  // namespace csp::inline v0::detail
