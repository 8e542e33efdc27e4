// The scheduler around the shipped code that waits: a task that is alone on a processor of its own, and is a thread of
// the scenario. It parks by the shipped path down to the jump between stacks; here the jump runs the commit, which the
// processor's root would run, and sleeps until somebody has made the task ready.
#pragma once

#include "sched/base/atomic.h"
#include "sched/base/futex.h"
#include "sched/processor.h"
#include "sched/task.h"
#include "sched/thread_block.h"

namespace model {

/// A processor, with what stands for its inbox: whether its only task is ready.
struct lone_processor : csp::detail::processor {
  csp::detail::task* only = nullptr;
  csp::detail::atomic<std::uint32_t> ready{0};
};

class lone_task {
 public:
  lone_task() noexcept;

  /// The calling thread of the scenario is this task from here on.
  void enter() noexcept;

  csp::detail::task self;
  lone_processor here;
};

/// The waiting block of a thread of the scenario that is no task; the scenario owns it and names it for the thread.
void use_thread_block(csp::detail::thread_block& block) noexcept;

}  // namespace model
