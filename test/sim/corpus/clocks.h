// Defects of timers.
//
// Planted
// - rearmed_in_vain: when its callback has run, a timer is put to rest, although it was armed again meanwhile.
// - sleeps_by_the_wall_clock: a sleep looks at a clock that is set back.
#pragma once

#include "test/sim/corpus/corpus.h"

#include <functional>

namespace csp_test::corpus {

/// A timer and the loop that drives it.
class toy_timer {
 public:
  toy_timer(form shape, std::function<void()> callback) : shape_(shape), callback_(std::move(callback)) {}

  void arm(std::chrono::milliseconds delay) {
    const std::lock_guard guard(lock_);
    armed_ = true;
    due_ = csp::clock::now() + delay;
    changed_.notify_all();
  }

  void stop() {
    const std::lock_guard guard(lock_);
    stopping_ = true;
    changed_.notify_all();
  }

  void drive() {
    std::unique_lock guard(lock_);
    while (!stopping_) {
      if (!armed_) {
        changed_.wait(guard);
      } else if (csp::clock::now() < due_) {
        static_cast<void>(changed_.wait_until(guard, due_));
      } else {
        if (shape_ == form::correct) armed_ = false;
        guard.unlock();
        callback_();
        guard.lock();
        if (shape_ == form::planted) armed_ = false;
      }
    }
  }

 private:
  const form shape_;
  const std::function<void()> callback_;
  csp::mutex lock_;
  csp::condition_variable changed_;
  bool armed_ = false;
  bool stopping_ = false;
  csp::clock::time_point due_;
};

inline void rearmed_in_vain(form shape) {
  std::atomic<csp::clock::time_point> fired{csp::clock::time_point()};
  toy_timer timer(shape, [&] {
    fired = csp::clock::now();
    point();
  });
  together([&] { timer.drive(); },
           [&] {
             timer.arm(1ms);
             csp::sleep_for(1ms);
             const auto again = csp::clock::now();
             timer.arm(1ms);
             csp::sleep_for(1s);
             check(fired.load() == again + 1ms, "the timer has fired again");
             timer.stop();
           });
}

/// A clock that somebody sets, as CLOCK_REALTIME.
class wall_clock {
 public:
  [[nodiscard]] csp::clock::time_point now() const { return csp::clock::now() + offset_.load(); }
  void set_back(csp::clock::duration by) { offset_ = offset_.load() - by; }

 private:
  std::atomic<csp::clock::duration> offset_{csp::clock::duration::zero()};
};

inline void sleeps_by_the_wall_clock(form shape) {
  wall_clock wall;
  const auto sleep_for = [&](std::chrono::milliseconds length) {
    const auto now = [&] { return shape == form::planted ? wall.now() : csp::clock::now(); };
    const auto due = now() + length;
    while (now() < due) csp::sleep_for(due - now());
  };
  together(
      [&] {
        const auto start = csp::clock::now();
        sleep_for(10ms);
        check(csp::clock::now() - start == 10ms, "the sleep was as long as it should be");
      },
      [&] {
        csp::sleep_for(10ms);
        wall.set_back(1h);
      });
}

}  // namespace csp_test::corpus
