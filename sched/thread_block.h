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
  void adopt() noexcept { thread_identity_ = __builtin_thread_pointer(); }

  futex_parker parker;
  thread_block* next_free = nullptr;  // guarded by the pool's lock
};

}  // namespace csp::inline v0::detail
