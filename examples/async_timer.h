// A small asynchronous API in the callback style, as many libraries offer one: it knows nothing
// about libcsp. Used by 07_callbacks_to_channels.cpp.
//
// call_after() may be called from any thread, also from a callback. Callbacks run one after the
// other on the timer's own thread; when two are due at the same time, the one asked for first runs
// first. The destructor drops the calls that are not due yet and joins the thread.

#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

class async_timer {
 public:
  using callback = std::function<void()>;

  async_timer() : thread_([this] { loop(); }) {}

  ~async_timer() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }

  async_timer(const async_timer&) = delete;
  async_timer& operator=(const async_timer&) = delete;

  // Returns at once; fn is called on the timer's thread when `delay` has passed.
  void call_after(std::chrono::milliseconds delay, callback fn) {
    {
      std::lock_guard lock(mutex_);
      pending_.emplace(clock::now() + delay, std::move(fn));
    }
    changed_.notify_one();
  }

 private:
  using clock = std::chrono::steady_clock;

  void loop() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      if (pending_.empty()) {
        changed_.wait(lock);
      } else if (clock::time_point due = pending_.begin()->first; clock::now() < due) {
        changed_.wait_until(lock, due);
      } else {
        callback fn = std::move(pending_.begin()->second);
        pending_.erase(pending_.begin());
        lock.unlock();  // a callback may call call_after
        fn();
        lock.lock();
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<clock::time_point, callback> pending_;
  bool stopping_ = false;
  std::thread thread_;  // the last member: it uses all the others
};
