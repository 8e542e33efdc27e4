// A StoreLoad fence whose whole price is paid by the rare side.
//
// Two threads that each store a flag and then read the other's flag need a full fence on both sides. Where one side is
// hot and the other rare, the hot side uses light() (a compiler barrier) and the rare side heavy(), which makes every
// running thread of the process execute a full fence: membarrier(2), MEMBARRIER_CMD_PRIVATE_EXPEDITED. Where the
// kernel refuses it, light() becomes a real fence, decided once at start.
//
// Guarantee: for light() in thread A and heavy() in thread B, either A's stores before light() are seen by B's loads
// after heavy(), or B's stores before heavy() are seen by A's loads after light().
#pragma once

#include "sched/base/atomic.h"
#include "sched/base/config.h"
#include "sched/base/sanitizer.h"

#if !defined(CSP_ATOMICS_HEADER)  // else that header has both: to the checker they are plain full fences
namespace csp::inline v0::detail {

/// A full fence. ThreadSanitizer does not know fences; a read-modify-write on x86 is as good, and relaxed it adds no
/// edge that the code does not have.
CSP_ALWAYS_INLINE void full_fence() noexcept {
  if constexpr (sanitizer::sees_fences) {
    std::atomic_thread_fence(std::memory_order_seq_cst);
  } else {
    // Not on the stack: a commit runs on the stack of the next task, but not as that task.
    static atomic<int> somewhere{0};
    somewhere.fetch_add(1, std::memory_order_relaxed);
  }
}

class asymmetric_fence {
 public:
  /// The hot side. Any thread.
  static CSP_ALWAYS_INLINE void light() noexcept {
    if (membarrier_works_) [[likely]] {
      std::atomic_signal_fence(std::memory_order_seq_cst);
    } else {
      full_fence();
    }
  }

  /// The rare side: about 0.1 us alone, 2 us with other threads running. Any thread.
  CSP_API static void heavy() noexcept;

 private:
  static bool register_process() noexcept;

  // Set once before main; false until then, which is the safe value.
  CSP_API static const bool membarrier_works_;
};

}  // namespace csp::inline v0::detail
#endif
