// Defects of close(): not everybody who waits learns of it.
//
// Planted
// - close_wakes_one: close() notifies one receiver, as a send does.
// - close_skips_arms: close() walks over the list of waiting selects, from which those that it fires take themselves.
#pragma once

#include "test/sim/corpus/corpus.h"

#include <deque>
#include <optional>
#include <vector>

namespace csp_test::corpus {

class closable_queue {
 public:
  explicit closable_queue(form shape) : shape_(shape) {}

  void send(int value) {
    const std::lock_guard guard(lock_);
    values_.push_back(value);
    changed_.notify_one();
  }

  std::optional<int> receive() {
    std::unique_lock guard(lock_);
    changed_.wait(guard, [&] { return closed_ || !values_.empty(); });
    if (values_.empty()) {
      return std::nullopt;
    }
    const int value = values_.front();
    values_.pop_front();
    return value;
  }

  void close() {
    const std::lock_guard guard(lock_);
    closed_ = true;
    shape_ == form::planted ? changed_.notify_one() : changed_.notify_all();
  }

 private:
  const form shape_;
  csp::mutex lock_;
  csp::condition_variable changed_;
  std::deque<int> values_;
  bool closed_ = false;
};

inline void close_wakes_one(form shape) {
  closable_queue values(shape);
  std::atomic<int> sum{0};
  const auto receive_all = [&] {
    while (const auto value = values.receive()) {
      sum += *value;
    }
  };
  together(receive_all, receive_all, [&] {
    values.send(1);
    values.send(2);
    values.close();
  });
  check(sum == 3, "all values have arrived");
}

/// A channel that is only closed, as its arms in selects see it.
class closable_signal {
 public:
  explicit closable_signal(form shape) : shape_(shape) {}

  void wait() {
    std::unique_lock guard(lock_);
    if (closed_) {
      return;
    }
    const auto arm = std::make_shared<sleeper>();
    arms_.push_back(arm);
    guard.unlock();
    arm->sleep();
    guard.lock();
    std::erase(arms_, arm);
  }

  void close() {
    std::unique_lock guard(lock_);
    closed_ = true;
    if (shape_ == form::correct) {
      const auto fired = std::exchange(arms_, {});
      guard.unlock();
      for (const auto& arm : fired) arm->wake();
      return;
    }
    for (std::size_t i = 0; i < arms_.size(); ++i) {
      const auto arm = arms_[i];
      guard.unlock();
      arm->wake();
      guard.lock();
    }
  }

 private:
  const form shape_;
  csp::mutex lock_;
  std::vector<sleeper_pointer> arms_;
  bool closed_ = false;
};

inline void close_skips_arms(form shape) {
  closable_signal over(shape);
  const auto wait = [&] { over.wait(); };
  together(wait, wait, wait, [&] { over.close(); });
}

}  // namespace csp_test::corpus
