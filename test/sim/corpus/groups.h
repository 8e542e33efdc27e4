// Defects of objects that several tasks meet at, and whose next use, or end, comes at once.
//
// Planted
// - done_after_the_end: wait() returns as soon as the counter is 0, while the last done() still has to wake it.
// - barrier_without_rounds: who waits at a barrier looks at the count, in which the next round may have begun.
// - half_made_value: the first of two callers says that the value is made before it is.
// - crossed_locks: two locks are taken in the order of the arguments.
#pragma once

#include "test/sim/corpus/corpus.h"

namespace csp_test::corpus {

class toy_group {
 public:
  toy_group(form shape, int count) : shape_(shape), count_(count) {}

  void done() {
    if (--count_ == 0) {
      point();
      check(!ended_, "done() uses a group that has ended");
      over_.release();
    }
  }

  void wait() {
    if (shape_ == form::correct || count_ != 0) {
      over_.acquire();
    }
  }

  /// Stands for the destructor.
  void end() { ended_ = true; }

 private:
  const form shape_;
  std::atomic<int> count_;
  csp::semaphore over_{0};
  std::atomic<bool> ended_{false};
};

inline void done_after_the_end(form shape) {
  toy_group group(shape, 2);
  together([&] { group.done(); }, [&] { group.done(); },
           [&] {
             group.wait();
             group.end();
           });
}

class toy_barrier {
 public:
  toy_barrier(form shape, int parties) : shape_(shape), parties_(parties) {}

  void arrive_and_wait() {
    std::unique_lock guard(lock_);
    if (++arrived_ == parties_) {
      arrived_ = 0;
      ++round_;
      changed_.notify_all();
      return;
    }
    const unsigned mine = round_;
    changed_.wait(guard, [&] { return shape_ == form::planted ? arrived_ == 0 : round_ != mine; });
  }

 private:
  const form shape_;
  const int parties_;
  csp::mutex lock_;
  csp::condition_variable changed_;
  int arrived_ = 0;
  unsigned round_ = 0;
};

inline void barrier_without_rounds(form shape) {
  toy_barrier barrier(shape, 2);
  const auto two_rounds = [&] {
    barrier.arrive_and_wait();
    barrier.arrive_and_wait();
  };
  together(two_rounds, two_rounds);
}

/// A value that its first user makes.
class lazy_value {
 public:
  explicit lazy_value(form shape) : shape_(shape) {}

  int get() {
    if (!made_) {
      const std::lock_guard guard(lock_);
      if (!made_) {
        if (shape_ == form::planted) made_ = true;
        point();  // the constructor of the value
        value_ = 42;
        made_ = true;
      }
    }
    return value_;
  }

 private:
  const form shape_;
  csp::mutex lock_;
  std::atomic<bool> made_{false};
  std::atomic<int> value_{0};
};

inline void half_made_value(form shape) {
  lazy_value value(shape);
  const auto use = [&] { check(value.get() == 42, "the value is made"); };
  together(use, use);
}

struct account {
  csp::mutex lock;
  int amount = 100;
};

inline void transfer(form shape, account& from, account& to) {
  csp::mutex* first = &from.lock;
  csp::mutex* second = &to.lock;
  if (shape == form::correct && std::less<>()(second, first)) {
    std::swap(first, second);
  }
  const std::lock_guard outer(*first);
  const std::lock_guard inner(*second);
  --from.amount;
  ++to.amount;
}

inline void crossed_locks(form shape) {
  account left;
  account right;
  together([&] { transfer(shape, left, right); }, [&] { transfer(shape, right, left); });
  check(left.amount == 100 && right.amount == 100, "nothing is lost");
}

}  // namespace csp_test::corpus
