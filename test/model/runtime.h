// The scheduler around the shipped code that waits: a task that is alone on a processor of its own, and is a thread of
// the scenario. It parks by the shipped path down to the jump between stacks; here the jump runs the commit, which the
// processor's root would run, and sleeps until somebody has made the task ready.
#pragma once

#include "sched/base/atomic.h"
#include "sched/base/futex.h"
#include "sched/processor.h"
#include "sched/switch.h"
#include "sched/task.h"
#include "sched/thread_block.h"

#include "test/model/model.h"

namespace model {

/// What the root, which has no stack here, leaves to be done for it.
void commit_nothing(csp::detail::processor& here, csp::detail::task* left, void* argument) noexcept;

/// A processor, with what stands for its inbox: whether its only task is ready.
struct lone_processor : csp::detail::processor {
  csp::detail::task* only = nullptr;
  plain<int> left;  // what the task leaves behind when it parks; whoever makes it ready may run it at once
  csp::detail::atomic<std::uint32_t> ready{0};
  // Where the task goes on after a wait, if another thread is this processor's root; and what that was handed.
  lone_processor* next = nullptr;
  csp::detail::atomic<std::uint32_t> handed{0};
  csp_message message{};  // of the task that has left its stack
  csp::detail::relaxed<void*> nowhere;
  csp::detail::departure from_root{
      {static_cast<csp::detail::processor*>(this), nullptr, nullptr, reinterpret_cast<void*>(&commit_nothing)},
      nowhere};
};

class lone_task {
 public:
  lone_task() noexcept;

  /// The calling thread of the scenario is this task from here on.
  void enter() noexcept;

  /// For one wait in which the commit and the task that was made ready meanwhile run side by side: a thread that is the
  /// processor's root and runs the commit, and the task's thread, which goes on on another processor. The task calls
  /// dismiss_root() when it has waited, or not.
  void enter_beside_root() noexcept;
  void dismiss_root() noexcept;
  void be_root() noexcept;

  csp::detail::task self;
  lone_processor here;
  lone_processor there;
};

/// The waiting block of a thread of the scenario that is no task; the scenario owns it and names it for the thread.
void use_thread_block(csp::detail::thread_block& block) noexcept;

}  // namespace model
