// Defects of timed waits: a timeout races with a wake, and the wake, or the next wait, pays for it.
//
// Planted
// - stale_timeout: a timer that comes too late for its own wait ends the next one of the same sleeper.
// - expired_wait_keeps_wake: a wait whose time is over drops the notification that it was given meanwhile, though
//   another waits for it.
#pragma once

#include "test/sim/corpus/corpus.h"

#include <deque>

namespace csp_test::corpus {

/// A task's sleep with a limit. The timer is a task, and outlives the sleep that it was made for.
class timed_sleeper : public std::enable_shared_from_this<timed_sleeper> {
 public:
  explicit timed_sleeper(form shape) : shape_(shape) {}

  /// True when somebody called wake(), false when the time was over.
  bool sleep_for(std::chrono::milliseconds limit) {
    const unsigned mine = begin();
    csp::go([self = shared_from_this(), mine, limit] {
      csp::sleep_for(limit);
      self->expire(mine);
    });
    ended_.acquire();
    const std::lock_guard guard(lock_);
    return woken_;
  }

  void wake() {
    const std::lock_guard guard(lock_);
    end(true);
  }

 private:
  unsigned begin() {
    const std::lock_guard guard(lock_);
    asleep_ = true;
    return ++number_;
  }
  void expire(unsigned sleep) {
    const std::lock_guard guard(lock_);
    if (shape_ == form::planted || number_ == sleep) {
      end(false);
    }
  }
  void end(bool woken) {
    if (std::exchange(asleep_, false)) {
      woken_ = woken;
      ended_.release();
    }
  }

  const form shape_;
  csp::mutex lock_;
  bool asleep_ = false;  // guarded by lock_, as all below
  bool woken_ = false;   // how the last sleep ended
  unsigned number_ = 0;  // of the present sleep
  csp::semaphore ended_{0};
};

inline void stale_timeout(form shape) {
  const auto subject = std::make_shared<timed_sleeper>(shape);
  together(
      [&] {
        static_cast<void>(subject->sleep_for(1ms));
        check(subject->sleep_for(1h), "the second sleep is ended by a wake");
      },
      [&] {
        csp::sleep_for(1ms);
        subject->wake();
        csp::sleep_for(1s);
        subject->wake();
      });
  csp::sleep_for(2h);  // until all timers have fired
}

/// A condition with a queue of its own; all under the caller's mutex.
class toy_condition {
 public:
  explicit toy_condition(form shape) : shape_(shape) {}

  /// True when it was notified within `limit`.
  bool wait_for(std::unique_lock<csp::mutex>& lock, std::chrono::milliseconds limit) {
    const auto self = std::make_shared<waiting>();
    waiters_.push_back(self);
    lock.unlock();
    const bool woken = self->token.try_acquire_for(limit);
    lock.lock();
    if (woken) {
      return true;
    }
    std::erase(waiters_, self);
    return shape_ == form::correct && self->notified;
  }

  void notify_one() {
    if (waiters_.empty()) {
      return;
    }
    const auto first = std::move(waiters_.front());
    waiters_.pop_front();
    first->notified = true;
    first->wake();
  }

 private:
  struct waiting : sleeper {
    bool notified = false;
  };

  const form shape_;
  std::deque<std::shared_ptr<waiting>> waiters_;
};

inline void expired_wait_keeps_wake(form shape) {
  csp::mutex lock;
  toy_condition changed(shape);
  int notified = 0;
  const auto wait_for = [&](std::chrono::milliseconds limit) {
    std::unique_lock guard(lock);
    notified += changed.wait_for(guard, limit) ? 1 : 0;
  };
  together([&] { wait_for(1ms); }, [&] { wait_for(1h); },
           [&] {
             csp::sleep_for(1ms);
             const std::lock_guard guard(lock);
             changed.notify_one();
           });
  check(notified == 1, "one of the two has the notification");
}

}  // namespace csp_test::corpus
