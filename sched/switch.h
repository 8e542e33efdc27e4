// The only place that jumps between stacks and swaps what belongs to a task: errno and the C++ exception globals.
//
// A switch has two halves. leave() saves the globals of the one that goes, loads those of the one that comes, and
// jumps, which stores where the left stack can be resumed. arrive() runs on the other stack, first of all: it runs the
// commit of the left one. Only then is the left task published, so nobody can resume a stack that is still in use.
// All that arrive() needs travels in the jump's message: the side that arrives may have parked on another thread.
#pragma once

#include "sched/base/sanitizer.h"
#include "sched/jump.h"
#include "sched/processor.h"
#include "sched/task.h"

namespace csp::inline v0::detail {

struct switcher {
  /// From the running task or the root (`from` null) to `to`, a started task, or the root (null). `commit` runs on the
  /// other side. Returns the processor that this stack was resumed on.
  CSP_SWITCH_FUNCTION processor& leave(processor& here, task* from, task* to, commit_function commit, void* argument,
                                       bool last) noexcept {
    context& source = from != nullptr ? from->context : here.root_;
    context& target = to != nullptr ? to->context : here.root_;
    here.current_.set(to);
    here.count.switches.add(1);
    // Read once: for the compiler, what is stored in between could be where they point from.
    int* const thread_errno = here.errno_;
    exception_globals* const thread_exceptions = here.exceptions_;
    if (from != nullptr) {
      from->saved_errno = *thread_errno;
      from->exceptions = *thread_exceptions;
    }
    if (to != nullptr) {
      *thread_errno = to->saved_errno;
      *thread_exceptions = to->exceptions;
    } else {
      *thread_exceptions = exception_globals{};
      here.last_left_.set(from);
    }
    // What the root knows, such as that its thread was started, the tasks that it runs know too; what a task did before
    // it parks, its commit knows.
    sanitizer::publish(from == nullptr ? static_cast<void*>(&here) : static_cast<void*>(&source.fiber));
    sanitizer::before_jump(source.fiber, target.fiber, last);
    const csp_message message{&here, from, argument, reinterpret_cast<void*>(commit)};
    return arrive(jump(target.resume_point.get(), source.resume_point, message), source);
  }

  /// The second half; `self` is the context that has just been resumed or started.
  CSP_SWITCH_FUNCTION processor& arrive(csp_message message, context& self) noexcept {
    processor& here = *static_cast<processor*>(message.here);
    task* const left = static_cast<task*>(message.left);
    context& source = left != nullptr ? left->context : here.root_;
    sanitizer::after_jump(source.fiber, self.fiber, left == nullptr);
    if (left != nullptr) {
      // The left stack may be resumed on another thread as soon as the commit has published it.
      sanitizer::become(here.committer_);
      sanitizer::observe(&source.fiber);
    }
    {
      // The commit's frames lie where those of `self` will lie, with no edge between the two. Its atomics are seen.
      const sanitizer::unseen frames;
      reinterpret_cast<commit_function>(message.commit)(here, left, message.argument);
    }
    sanitizer::become(self.fiber);
    sanitizer::observe(&here);
    return here;
  }

  /// On a stack whose task has ended: the next task starts on the same stack, without a jump.
  CSP_SWITCH_FUNCTION void replace(processor& here, task& next) noexcept {
    here.current_.set(&next);
    here.count.switches.add(1);
    *here.errno_ = next.saved_errno;
    *here.exceptions_ = next.exceptions;
  }
};

}  // namespace csp::inline v0::detail
