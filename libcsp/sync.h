// Locks (the mutex itself is in libcsp/mutex.h) and counters for tasks and plain threads alike. A task that waits
// leaves its thread to others.
//
// Each object may be destroyed as soon as all waits on it have returned: whoever woke them touches it no more. The
// names and rules follow the C++ standard's [thread.mutex] and [thread.condition] and Go's sync package; the owner of a
// mutex is the task, or the plain thread, that locked it. Misuse (unlocking what is not held, a negative counter) ends
// the program with one message.
#pragma once

#include <libcsp/go.h>
#include <libcsp/mutex.h>

#include "sched/base/clock.h"
#include "sched/deadline.h"
#include "sched/park.h"
#include "sched/wait_queue.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <utility>

namespace csp::inline v0 {

/// A condition variable for csp::mutex. Waits may not wake spuriously, but a loop or a predicate is still the right
/// form. The waits are cancellation points and throw csp::canceled with the mutex locked again.
class CSP_API condition_variable {
 public:
  constexpr condition_variable() noexcept = default;
  condition_variable(const condition_variable&) = delete;
  condition_variable& operator=(const condition_variable&) = delete;

  /// Unlocks, waits for a notification, and locks again. `lock` is held.
  void wait(std::unique_lock<mutex>& lock) { static_cast<void>(wait_by(lock, detail::never)); }
  template <class Predicate>
  void wait(std::unique_lock<mutex>& lock, Predicate predicate) {
    while (!predicate()) {
      wait(lock);
    }
  }

  /// The same until `deadline`: std::cv_status::timeout when that came first; with a predicate, its last value.
  std::cv_status wait_until(std::unique_lock<mutex>& lock, std::chrono::steady_clock::time_point deadline) {
    return wait_by(lock, detail::to_nanos(deadline));
  }
  template <class Predicate>
  bool wait_until(std::unique_lock<mutex>& lock, std::chrono::steady_clock::time_point deadline, Predicate predicate) {
    return wait_by(lock, detail::to_nanos(deadline), predicate);
  }
  template <class Rep, class Period>
  std::cv_status wait_for(std::unique_lock<mutex>& lock, std::chrono::duration<Rep, Period> limit) {
    return wait_by(lock, detail::limit_after(limit));
  }
  template <class Rep, class Period, class Predicate>
  bool wait_for(std::unique_lock<mutex>& lock, std::chrono::duration<Rep, Period> limit, Predicate predicate) {
    return wait_by(lock, detail::limit_after(limit), predicate);
  }

  /// Wakes the first waiter, or all.
  void notify_one() noexcept;
  void notify_all() noexcept;

 private:
  std::cv_status wait_by(std::unique_lock<mutex>& lock, detail::nanos deadline);
  template <class Predicate>
  bool wait_by(std::unique_lock<mutex>& lock, detail::nanos deadline, Predicate& predicate) {
    while (!predicate()) {
      if (wait_by(lock, deadline) == std::cv_status::timeout) {
        return predicate();
      }
    }
    return true;
  }

  detail::spinlock lock_{detail::lock_rank::condition};
  detail::wait_queue waiters_;  // guarded by lock_
};

/// A counting semaphore. Permits go to waiters first come, first served.
class CSP_API semaphore {
 public:
  /// With `permits` to give.
  explicit constexpr semaphore(std::ptrdiff_t permits) noexcept : permits_(permits) {}
  semaphore(const semaphore&) = delete;
  semaphore& operator=(const semaphore&) = delete;

  /// Takes a permit; waits for one. Cancellation point.
  void acquire();
  /// Takes a permit if there is one.
  [[nodiscard]] bool try_acquire() noexcept;
  /// Takes a permit unless the deadline comes first. Cancellation point.
  [[nodiscard]] bool try_acquire_until(std::chrono::steady_clock::time_point deadline) {
    return acquire_by(detail::to_nanos(deadline));
  }
  template <class Rep, class Period>
  [[nodiscard]] bool try_acquire_for(std::chrono::duration<Rep, Period> limit) {
    return acquire_by(detail::limit_after(limit));
  }
  /// Gives `count` permits.
  void release(std::ptrdiff_t count = 1) noexcept;

 private:
  [[nodiscard]] bool acquire_by(detail::nanos deadline);

  detail::spinlock lock_{detail::lock_rank::channel};
  std::ptrdiff_t permits_;      // guarded by lock_
  detail::wait_queue waiters_;  // guarded by lock_
};

/// Waits for a number of things to be done. After Go's sync.WaitGroup: add before the work starts, done when it ends.
/// A cancelled wait() throws while others may still call done(): a group in the waiter's own frame must then be waited
/// for in a csp::shield, or live elsewhere (a std::shared_ptr).
class CSP_API wait_group {
 public:
  explicit constexpr wait_group(std::ptrdiff_t count = 0) noexcept : count_(count) {}
  wait_group(const wait_group&) = delete;
  wait_group& operator=(const wait_group&) = delete;

  /// Adds to the counter; at zero all waiters are woken. Below zero is fatal.
  void add(std::ptrdiff_t count = 1) noexcept;
  /// Takes one off the counter.
  void done() noexcept { add(-1); }
  /// Waits until the counter is zero. Cancellation point.
  void wait();
  /// The same within `limit`; false when the time was over first.
  template <class Rep, class Period>
  [[nodiscard]] bool wait_for(std::chrono::duration<Rep, Period> limit) {
    return wait_by(detail::limit_after(limit));
  }

  /// Starts a task that counts as one thing to be done: add(), csp::go, and done() at its end, also by an exception.
  template <class F>
  void go(F&& fn, source_location site = source_location::current()) {
    struct counted {
      wait_group* group;
      explicit counted(wait_group& target) noexcept : group(&target) { target.add(); }
      counted(counted&& other) noexcept : group(std::exchange(other.group, nullptr)) {}
      counted(const counted&) = delete;
      counted& operator=(const counted&) = delete;
      ~counted() {
        if (group != nullptr) {
          group->done();
        }
      }
    };
    csp::go(
        task_options{}, [part = counted(*this), run = std::forward<F>(fn)]() mutable { run(); }, site);
  }

 private:
  [[nodiscard]] bool wait_by(detail::nanos deadline);

  detail::spinlock lock_{detail::lock_rank::channel};
  std::ptrdiff_t count_;        // guarded by lock_
  detail::wait_queue waiters_;  // guarded by lock_
};

/// Runs a function once, however many call. After Go's sync.Once and std::call_once.
class once {
 public:
  constexpr once() noexcept = default;
  once(const once&) = delete;
  once& operator=(const once&) = delete;

  /// Calls `fn` if no call has succeeded yet; the others wait for it and see what it did. If it throws, the exception
  /// goes to this caller and the next call tries again.
  template <class F>
  void call(F&& fn) {
    // acquire: pairs with the release below.
    if (done_.load(std::memory_order_acquire)) {
      return;
    }
    const std::lock_guard guard(running_);
    if (succeeded_) {
      // Not by the call that ran `fn`: it still has to unlock, and a call that sees the flag returns without a wait and
      // may destroy the object.
      done_.store(true, std::memory_order_release);
      return;
    }
    std::forward<F>(fn)();
    succeeded_ = true;
  }

 private:
  std::atomic<bool> done_{false};  // set by the first call that finds that another one has succeeded
  mutex running_;
  bool succeeded_ = false;  // guarded by running_
};

}  // namespace csp::inline v0
