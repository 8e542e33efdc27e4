#include "sched/blocking_pool.h"

#include "sched/base/os_thread.h"
#include "sched/base/tls.h"
#include "sched/park.h"
#include "sched/scheduler_core.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace csp::inline v0::detail {
namespace {

/// Long enough that a program with regular calls keeps its threads, short enough that a burst's threads go.
constexpr std::chrono::seconds idle_life{5};

}  // namespace

void blocking_pool::submit(blocking_call& call) {
  std::unique_lock guard(lock_);
  if (idle_threads_ <= waiting_calls_ && threads_running_ < most_threads) {
    try {
      threads_.push_back(start_thread("csp-blocking", [this] { serve(); }));
      ++threads_running_;
    } catch (...) {
      if (threads_running_ == 0) {
        throw;
      }
      // The call waits for one of the threads that there are.
    }
  }
  busy_.fetch_add(1, std::memory_order_seq_cst);
  call.next = nullptr;
  if (tail_ != nullptr) {
    tail_->next = &call;
  } else {
    head_ = &call;
  }
  tail_ = &call;
  ++waiting_calls_;
  guard.unlock();
  ready_.notify_one();
}

void blocking_pool::serve() {
  std::unique_lock guard(lock_);
  for (;;) {
    while (head_ == nullptr) {
      ++idle_threads_;
      const bool woken = ready_.wait_for(guard, idle_life, [this] { return head_ != nullptr || stopping_; });
      --idle_threads_;
      if (!woken || head_ == nullptr) {
        end_thread(guard);
        return;
      }
    }
    blocking_call& call = *head_;
    head_ = call.next;
    if (head_ == nullptr) {
      tail_ = nullptr;
    }
    --waiting_calls_;
    guard.unlock();
    call.run(call);
    // The caller's task becomes runnable before the count falls: the deadlock check never sees neither.
    call.end.finish();
    if (busy_.fetch_sub(1, std::memory_order_seq_cst) == 1) {
      // The task may have gone to sleep for good while its call still counted.
      core_.look_for_deadlock();
    }
    guard.lock();
  }
}

void blocking_pool::end_thread(std::unique_lock<std::mutex>& guard) {
  --threads_running_;
  const auto self = std::find_if(threads_.begin(), threads_.end(), [](const std::thread& thread) {
    return thread.get_id() == std::this_thread::get_id();
  });
  if (self == threads_.end()) {
    return;  // stop() has it
  }
  std::thread previous = std::exchange(last_ended_, std::move(*self));
  threads_.erase(self);
  guard.unlock();
  if (previous.joinable()) {
    previous.join();
  }
}

void blocking_pool::stop() {
  std::vector<std::thread> joined;
  {
    const std::lock_guard guard(lock_);
    stopping_ = true;
    joined.swap(threads_);
    if (last_ended_.joinable()) {
      joined.push_back(std::move(last_ended_));
    }
  }
  ready_.notify_all();
  for (std::thread& thread : joined) {
    thread.join();
  }
  const std::lock_guard guard(lock_);
  stopping_ = false;
}

namespace {

void run_in(blocking_pool scheduler_core::*pool, blocking_call& call) {
  processor* const here = this_processor();
  if (here == nullptr || here->current() == nullptr) {
    call.run(call);
    return;
  }
  cancellation_point(here);
  if (here->is_simulated()) {
    if (pool == &scheduler_core::lingering) {
      here->core().settings().simulated->fail(
          "a call of the C library that waits for another party (a file's lock, a child, a thread, a name server): "
          "there "
          "is no real I/O in a simulation");
    }
    // Virtual time stands still for it.
    call.run(call);
    here->interleave();
    return;
  }
  (here->core().*pool).submit(call);
  // A call that has started cannot be cancelled: its thread uses this frame.
  static_cast<void>(call.end.wait(wait_kind::blocking, false));
}

}  // namespace

void run_blocking(blocking_call& call) { run_in(&scheduler_core::blocking, call); }

void run_lingering(blocking_call& call) { run_in(&scheduler_core::lingering, call); }

}  // namespace csp::inline v0::detail
