// Defects of waiting for file descriptors.
//
// Planted
// - one_slot_for_two: reader and writer of one descriptor share the place where a waiter is noted.
// - reused_number: an event that was collected for a closed descriptor wakes who waits on the new one of that number.
// - close_passes_by: close() wakes who waits; a task that is about to wait is not there yet.
#pragma once

#include "test/sim/corpus/corpus.h"

#include <array>

namespace csp_test::corpus {

/// What is known of one descriptor.
class toy_entry {
 public:
  enum direction : std::size_t { reads, writes };

  explicit toy_entry(form shape) : shape_(shape) {}

  void wait(direction side) {
    std::unique_lock guard(lock_);
    if (std::exchange(ready_[side], false)) {
      return;
    }
    const auto self = std::make_shared<waiting>();
    self->side = side;
    slot(side) = self;
    guard.unlock();
    self->sleep();
  }

  void event(direction side) {
    const std::lock_guard guard(lock_);
    if (slot(side) != nullptr && slot(side)->side == side) {
      std::exchange(slot(side), nullptr)->wake();
    } else {
      ready_[side] = true;
    }
  }

 private:
  struct waiting : sleeper {
    direction side = reads;
  };
  std::shared_ptr<waiting>& slot(direction side) { return waiters_[shape_ == form::planted ? reads : side]; }

  const form shape_;
  csp::mutex lock_;
  std::array<std::shared_ptr<waiting>, 2> waiters_;
  std::array<bool, 2> ready_{};
};

inline void one_slot_for_two(form shape) {
  toy_entry entry(shape);
  together([&] { entry.wait(toy_entry::reads); }, [&] { entry.wait(toy_entry::writes); },
           [&] {
             entry.event(toy_entry::reads);
             entry.event(toy_entry::writes);
           });
}

/// One number, at times open, and the poller that brings events for it.
class toy_number {
 public:
  explicit toy_number(form shape) : shape_(shape) {}

  /// Closes it and opens it anew, for something else: nothing is to be read yet.
  void reopen() {
    const std::lock_guard guard(lock_);
    ++generation_;
    readable_ = false;
    wake();
  }

  /// Waits for an event; whether there is something to read then.
  bool wait() {
    std::unique_lock guard(lock_);
    if (readable_) {
      return true;
    }
    waiter_ = std::make_shared<sleeper>();
    const auto self = waiter_;
    guard.unlock();
    self->sleep();
    guard.lock();
    return readable_;
  }

  /// Something can be read: the kernel notes it, and the poller delivers it.
  void data() {
    std::unique_lock guard(lock_);
    readable_ = true;
    const unsigned collected_for = generation_;
    guard.unlock();
    point();
    guard.lock();
    if (shape_ == form::planted || generation_ == collected_for) {
      wake();
    }
  }

 private:
  void wake() {
    if (waiter_ != nullptr) std::exchange(waiter_, nullptr)->wake();
  }

  const form shape_;
  csp::mutex lock_;
  sleeper_pointer waiter_;
  bool readable_ = false;
  unsigned generation_ = 0;
};

inline void reused_number(form shape) {
  toy_number number(shape);
  together([&] { number.data(); },
           [&] {
             number.reopen();
             check(number.wait(), "who is woken can read");
           },
           [&] {
             csp::sleep_for(1s);
             number.data();
           });
}

class toy_socket {
 public:
  explicit toy_socket(form shape) : shape_(shape) {}

  /// Waits for data, which never comes; returns when the socket is closed.
  void read() {
    std::unique_lock guard(lock_, std::defer_lock);
    if (shape_ == form::correct) guard.lock();
    if (closed_) {
      return;
    }
    if (shape_ == form::planted) guard.lock();
    const auto self = std::make_shared<sleeper>();
    reader_ = self;
    guard.unlock();
    self->sleep();
  }

  void close() {
    const std::lock_guard guard(lock_);
    closed_ = true;
    if (reader_ != nullptr) std::exchange(reader_, nullptr)->wake();
  }

 private:
  const form shape_;
  csp::mutex lock_;
  std::atomic<bool> closed_{false};
  sleeper_pointer reader_;
};

inline void close_passes_by(form shape) {
  toy_socket socket(shape);
  together([&] { socket.read(); }, [&] { socket.close(); });
}

}  // namespace csp_test::corpus
