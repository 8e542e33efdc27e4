// Threads for calls that block in the kernel. The pool grows whenever a call would have to wait for a thread, up to a
// limit; threads that are idle for a while end. A call's frame lies on the waiting task's stack, so nothing is
// allocated for it and its references stay valid.
#pragma once

#include "sched/base/atomic.h"
#include "sched/completion.h"

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace csp::inline v0::detail {

/// One call; lives in the caller's frame until it has ended.
struct blocking_call {
  void (*run)(blocking_call& self) noexcept = nullptr;
  blocking_call* next = nullptr;
  completion end;
};

class scheduler_core;

class blocking_pool {
 public:
  /// More threads than that wait in line; a machine's default limit of threads is far above.
  static constexpr unsigned most_threads = 1024;

  explicit blocking_pool(scheduler_core& core) noexcept : core_(core) {}
  blocking_pool(const blocking_pool&) = delete;
  blocking_pool& operator=(const blocking_pool&) = delete;

  /// Hands a call to a thread. Throws std::system_error when the pool has no thread and cannot make one; the call was
  /// not taken then.
  void submit(blocking_call& call);

  /// Joins all threads; no call is in line. The pool can be used again.
  void stop();

  /// Calls in line or running. Any thread.
  [[nodiscard]] unsigned busy() const noexcept { return busy_.load(std::memory_order_seq_cst); }

 private:
  void serve();
  /// The calling thread's last act; lets go of the lock. It joins the thread that ended before it: not a processor's
  /// business, which would stand still meanwhile and whose pthread_join may be a hook that comes back to this pool.
  void end_thread(std::unique_lock<std::mutex>& guard);

  scheduler_core& core_;
  std::mutex lock_;
  std::condition_variable ready_;
  blocking_call* head_ = nullptr;  // guarded by lock_, as all below
  blocking_call* tail_ = nullptr;
  unsigned waiting_calls_ = 0;
  unsigned idle_threads_ = 0;
  unsigned threads_running_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;  // that have not ended
  std::thread last_ended_;            // not joined yet
  atomic<unsigned> busy_{0};
};

/// Runs a call on the pool of the running task's scheduler and waits for it; in a plain thread runs it right there.
CSP_API void run_blocking(blocking_call& call);
/// The same for a call that may wait for another party for long: it has threads of its own, so that short calls never
/// wait in line behind it.
CSP_API void run_lingering(blocking_call& call);

}  // namespace csp::inline v0::detail
