// Defects of cancellation: what was meant for a waiter goes down with it.
//
// Planted
// - permit_lost: a permit that was given to a waiter which is just being cancelled is not given on.
// - lock_for_the_dead: a cancelled waiter stays in the queue of a mutex, and the mutex is handed to it.
#pragma once

#include "test/sim/corpus/corpus.h"

#include <deque>

namespace csp_test::corpus {

/// A semaphore that gives its permits to the first in line. For a mutex, one permit.
class direct_semaphore {
 public:
  enum class flaw { none, keeps_permit, stays_in_line };

  direct_semaphore(flaw planted, int permits) : flaw_(planted), permits_(permits) {}

  void acquire() {
    std::unique_lock guard(lock_);
    if (permits_ > 0) {
      --permits_;
      return;
    }
    const auto self = std::make_shared<waiting>();
    line_.push_back(self);
    guard.unlock();
    try {
      self->sleep();
    } catch (const csp::canceled&) {
      leave(self);
      throw;
    }
  }

  void release() {
    const std::lock_guard guard(lock_);
    give();
  }

  [[nodiscard]] int permits() {
    const std::lock_guard guard(lock_);
    return permits_;
  }

 private:
  struct waiting : sleeper {
    bool served = false;
  };

  void give() {
    if (line_.empty()) {
      ++permits_;
      return;
    }
    const auto first = std::move(line_.front());
    line_.pop_front();
    first->served = true;
    first->wake();
  }

  void leave(const std::shared_ptr<waiting>& self) {
    const std::lock_guard guard(lock_);
    if (flaw_ == flaw::stays_in_line) {
      return;
    }
    if (!self->served) {
      std::erase(line_, self);
    } else if (flaw_ != flaw::keeps_permit) {
      give();
    }
  }

  const flaw flaw_;
  csp::mutex lock_;
  int permits_;
  std::deque<std::shared_ptr<waiting>> line_;
};

/// The caller has the one permit, and releases it while another, which waits for it, is cancelled.
inline void cancel_a_waiter(direct_semaphore& subject) {
  const csp::shield until_all_have_ended;
  subject.acquire();
  auto waiter = csp::spawn([&] {
    subject.acquire();
    subject.release();
  });
  together([&] { subject.release(); }, [&] { waiter.cancel(); });
  try {
    waiter.join();
  } catch (const csp::canceled&) {
    // It was quicker.
  }
  check(subject.permits() == 1, "the permit is back");
}

inline void permit_lost(form shape) {
  using flaw = direct_semaphore::flaw;
  direct_semaphore subject(shape == form::planted ? flaw::keeps_permit : flaw::none, 1);
  cancel_a_waiter(subject);
}

inline void lock_for_the_dead(form shape) {
  using flaw = direct_semaphore::flaw;
  direct_semaphore subject(shape == form::planted ? flaw::stays_in_line : flaw::none, 1);
  cancel_a_waiter(subject);
}

}  // namespace csp_test::corpus
