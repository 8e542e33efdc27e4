// Defects of what is kept for the thread and should be kept for the task.
//
// Planted
// - owned_by_the_thread: a recursive mutex knows its owner by the thread, and lets in every task that runs on it.
// - error_of_the_thread: the error that a task handles is the thread's; another's takes its place while the task waits.
#pragma once

#include "test/sim/corpus/corpus.h"

#include <functional>
#include <thread>

namespace csp_test::corpus {

class toy_recursive_mutex {
 public:
  explicit toy_recursive_mutex(form shape) : shape_(shape) {}

  void lock() {
    if (depth_ == 0 || owner_ != caller()) {
      free_.acquire();
      owner_ = caller();
    }
    ++depth_;
  }

  void unlock() {
    if (--depth_ == 0) {
      free_.release();
    }
  }

 private:
  [[nodiscard]] std::size_t caller() const {
    return shape_ == form::planted ? std::hash<std::thread::id>()(std::this_thread::get_id())
                                   : std::hash<const void*>()(csp::detail::this_processor()->current());
  }

  const form shape_;
  csp::semaphore free_{1};
  std::atomic<std::size_t> owner_{0};
  std::atomic<int> depth_{0};
};

inline void owned_by_the_thread(form shape) {
  toy_recursive_mutex lock(shape);
  std::atomic<int> inside{0};
  const auto use = [&] {
    lock.lock();
    lock.lock();
    check(++inside == 1, "one task is inside");
    csp::yield();
    --inside;
    lock.unlock();
    lock.unlock();
  };
  together(use, use);
}

/// A thread, as a runtime sees it that runs tasks on it in turn.
class toy_thread {
 public:
  explicit toy_thread(form shape) : shape_(shape) {}

  void raise(int error) { error_ = error; }
  [[nodiscard]] int error() const { return error_; }

  /// The running task waits; others run.
  void wait() {
    const int mine = error_;
    csp::yield();
    if (shape_ == form::correct) error_ = mine;
  }

 private:
  const form shape_;
  std::atomic<int> error_{0};
};

inline void error_of_the_thread(form shape) {
  toy_thread thread(shape);
  const auto handle = [&](int error) {
    thread.raise(error);
    thread.wait();
    check(thread.error() == error, "the task handles its own error");
  };
  together([&] { handle(1); }, [&] { handle(2); });
}

}  // namespace csp_test::corpus
