// Defects of going to sleep: between the decision to sleep and the sleep, somebody wakes.
//
// Planted
// - published_before_parked: a waker finds a sleeper that is in the list but not asleep yet, and lets it be.
// - sleep_after_check: the condition is looked at outside the lock, and may become true before the sleep.
// - double_wake: two wakers look whether the sleeper was woken, and then both wake it; its next sleep ends at once.
#pragma once

#include "test/sim/corpus/corpus.h"

#include <vector>

namespace csp_test::corpus {

/// Tasks that sleep until somebody wakes the last one that came.
class parking_lot {
 public:
  explicit parking_lot(form shape) : shape_(shape) {}

  void park() {
    const auto self = std::make_shared<parked>();
    {
      const std::lock_guard guard(lock_);
      sleepers_.push_back(self);
    }
    arrived_.release();
    point();
    if (shape_ == form::planted) {
      self->now = state::asleep;
    } else if (self->now.exchange(state::asleep) == state::woken) {
      return;
    }
    self->sleep();
  }

  /// Wakes one; waits for one to come.
  void unpark() {
    arrived_.acquire();
    std::shared_ptr<parked> last;
    {
      const std::lock_guard guard(lock_);
      last = std::move(sleepers_.back());
      sleepers_.pop_back();
    }
    const bool asleep =
        shape_ == form::planted ? last->now == state::asleep : last->now.exchange(state::woken) == state::asleep;
    if (asleep) {
      last->wake();
    }
  }

 private:
  enum class state { runs, asleep, woken };
  struct parked : sleeper {
    std::atomic<state> now{state::runs};
  };

  const form shape_;
  csp::mutex lock_;
  std::vector<std::shared_ptr<parked>> sleepers_;
  csp::semaphore arrived_{0};
};

inline void published_before_parked(form shape) {
  parking_lot lot(shape);
  together([&] { lot.park(); }, [&] { lot.unpark(); });
}

/// A flag that is set once.
class flag_event {
 public:
  explicit flag_event(form shape) : shape_(shape) {}

  void wait() {
    if (shape_ == form::planted && set_) {
      return;
    }
    std::unique_lock guard(lock_);
    if (shape_ == form::planted) {
      changed_.wait(guard);
    } else {
      changed_.wait(guard, [&] { return set_.load(); });
    }
  }

  void set() {
    const std::lock_guard guard(lock_);
    set_ = true;
    changed_.notify_all();
  }

 private:
  const form shape_;
  csp::mutex lock_;
  csp::condition_variable changed_;
  std::atomic<bool> set_{false};
};

inline void sleep_after_check(form shape) {
  flag_event over(shape);
  together([&] { over.wait(); }, [&] { over.set(); });
}

/// A sleep that the first of several wakers ends.
class contested_sleep {
 public:
  explicit contested_sleep(form shape) : shape_(shape) {}

  void sleep() { token_.acquire(); }
  [[nodiscard]] bool sleep_for(std::chrono::milliseconds limit) { return token_.try_acquire_for(limit); }

  void wake() {
    if (shape_ == form::planted) {
      if (woken_) return;
      point();
      woken_ = true;
    } else if (woken_.exchange(true)) {
      return;
    }
    token_.release();
  }

 private:
  const form shape_;
  std::atomic<bool> woken_{false};
  csp::semaphore token_{0};
};

inline void double_wake(form shape) {
  contested_sleep subject(shape);
  const auto wake = [&] { subject.wake(); };
  together(
      [&] {
        subject.sleep();
        check(!subject.sleep_for(1s), "nobody ends the next sleep");
      },
      wake, wake);
}

}  // namespace csp_test::corpus
