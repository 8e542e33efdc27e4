// The waiting block of a plain thread: what a task's control block is for a task. Pooled and never freed, because a
// waker may touch the parker after the thread has gone on, or ended.
#pragma once

#include "sched/base/parker.h"
#include "sched/waiter.h"

namespace csp::inline v0::detail {

class thread_block : public waiter {
 public:
  thread_block() noexcept : waiter(kind::thread) {}

  /// The block goes to the calling thread.
  void adopt() noexcept { identity_ = __builtin_thread_pointer(); }
  /// Its thread's __builtin_thread_pointer(), by which a mutex knows its owner.
  [[nodiscard]] const void* thread_identity() const noexcept { return identity_; }

  futex_parker parker;
  thread_block* next_free = nullptr;  // guarded by the pool's lock

 private:
  const void* identity_ = nullptr;
};

}  // namespace csp::inline v0::detail
