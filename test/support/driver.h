// Two processors without threads, driven step by step under a clock that the test owns, so that what they do is decided
// by the order of the steps alone.
#pragma once

#include "sched/scheduler_core.h"
#include "sched/spawn.h"
#include "sched/stack_class.h"

#include <atomic>
#include <chrono>
#include <utility>

namespace csp_test {

class manual_clock final : public csp::detail::clock_source {
 public:
  [[nodiscard]] csp::detail::nanos now() const noexcept override { return now_.load(); }
  void advance(std::chrono::nanoseconds by) { now_.fetch_add(by.count()); }

 private:
  std::atomic<csp::detail::nanos> now_{1'000'000'000};
};

class driver {
 public:
  explicit driver(std::uint64_t seed = 1) : core_(csp::detail::scheduler_core::acquire()) {
    csp::detail::core_settings settings;
    settings.processors = 2;
    settings.stack_class = csp::detail::stack_class_for(64 * 1024).value();
    settings.seed = seed;
    settings.clock = &time;
    settings.own_threads = false;
    core_.start(settings);
  }
  ~driver() {
    core_.stop();
    csp::detail::scheduler_core::release(core_);
  }
  driver(const driver&) = delete;
  driver& operator=(const driver&) = delete;

  template <class F>
  void go(F fn, bool pinned = false) {
    csp::detail::spawn_detached(core_, {"driven", 0, pinned, csp::source_location::current()}, std::move(fn));
  }
  /// One decision of one processor; true when it ran something.
  bool step(unsigned index) {
    csp::detail::processor& self = core_.at(index);
    self.enter_thread();
    const bool ran = self.step() == csp::detail::processor::step_result::ran;
    self.leave_thread();
    return ran;
  }
  /// Steps both in turn until neither finds anything.
  void run_until_idle() {
    for (int idle = 0; idle < 4;) {
      const bool first_ran = step(0);
      const bool second_ran = step(1);
      idle = first_ran || second_ran ? 0 : idle + 1;
      time.advance(std::chrono::microseconds(20));  // beyond the patience of a thief
    }
  }
  [[nodiscard]] csp::detail::processor& at(unsigned index) const { return core_.at(index); }
  [[nodiscard]] bool all_ended() const { return core_.all_ended(); }
  [[nodiscard]] csp::detail::core_statistics statistics() const { return core_.statistics(); }

  manual_clock time;

 private:
  csp::detail::scheduler_core& core_;
};

/// The processor that runs the caller.
inline unsigned here() { return csp::detail::this_processor()->index(); }

}  // namespace csp_test
