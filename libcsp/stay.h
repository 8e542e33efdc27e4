// Staying on one thread.
#pragma once

#include "sched/stay_on_thread.h"

namespace csp::inline v0 {

/// While one lives, the calling task does not move to another thread: whatever it waits for, it goes on where it was.
/// For a callback that waits while the frames of a foreign library lie below it on the stack, since compiled code may
/// keep the address of errno or of another thread-local over a call; and for libraries that want all calls from one
/// thread. The price: the task waits for its thread, also when others are idle.
///
/// Nests; does nothing in a plain thread and in a pinned task. Destroyed by the task that made it, in reverse order.
class stay {
 public:
  stay() noexcept : held_(true) {}

 private:
  detail::stay_on_thread held_;
};

}  // namespace csp::inline v0
