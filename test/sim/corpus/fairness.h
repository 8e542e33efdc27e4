// Defects of the order in which things get their turn.
//
// Planted
// - yield_to_oneself: who yields comes to the front of the line, before those that wait.
// - flood_before_timers: timers are looked at only when nothing is ready.
#pragma once

#include "test/sim/corpus/corpus.h"

#include <deque>
#include <functional>

namespace csp_test::corpus {

/// A loop that gives parts of programs their turns, and the one timer that it has.
class toy_loop {
 public:
  /// A part: false when it yields and wants another turn.
  using part = std::function<bool()>;

  explicit toy_loop(form shape) : shape_(shape) {}

  void add(part next) {
    const std::lock_guard guard(lock_);
    line_.push_back(std::move(next));
    added_.notify_one();
  }

  /// Gives turns until `count` parts have ended.
  void run(int count) {
    while (count > 0) {
      part next = take();
      if (next()) {
        --count;
        continue;
      }
      const std::lock_guard guard(lock_);
      shape_ == form::planted ? line_.push_front(std::move(next)) : line_.push_back(std::move(next));
    }
  }

 private:
  part take() {
    std::unique_lock guard(lock_);
    added_.wait(guard, [&] { return !line_.empty(); });
    part next = std::move(line_.front());
    line_.pop_front();
    return next;
  }

  const form shape_;
  csp::mutex lock_;
  csp::condition_variable added_;
  std::deque<part> line_;
};

inline void yield_to_oneself(form shape) {
  constexpr int most_turns = 10;  // before another one that is in line
  toy_loop loop(shape);
  std::atomic<bool> in_line{false};
  std::atomic<bool> ran{false};
  int turns = 0;
  together([&] { loop.run(2); },
           [&] {
             loop.add([&] {
               csp::yield();
               turns += in_line ? 1 : 0;
               check(turns <= most_turns, "who yields lets the other one run");
               return ran || turns > most_turns;
             });
           },
           [&] {
             loop.add([&] {
               ran = true;
               return true;
             });
             in_line = true;
           });
}

inline void flood_before_timers(form shape) {
  constexpr auto turn = 100us;  // what each ready part takes
  constexpr auto most_late = 5ms;
  int ready = 100;
  bool fired = false;
  const auto due = csp::clock::now() + 1ms;
  while (ready > 0 || !fired) {
    const bool looks = shape == form::correct || ready == 0;
    if (looks && !fired && (csp::clock::now() >= due || ready == 0)) {
      csp::sleep_until(due);
      fired = true;
      check(csp::clock::now() <= due + most_late, "the timer is in time");
    } else {
      --ready;
      csp::sleep_for(turn);
    }
  }
}

}  // namespace csp_test::corpus
