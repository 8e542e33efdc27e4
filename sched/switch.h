// The only place that jumps between stacks and swaps what belongs to a task: errno and the C++ exception globals.
//
// A switch has two halves. leave() saves the globals of the one that goes, loads those of the one that comes, and
// jumps. arrive() runs on the other stack, first of all: it stores where the left stack can be resumed and runs its
// commit. Only then is the left task published, so nobody can resume a stack that is still in use.
// The processor travels in the jump's argument: the side that arrives may have parked on another thread.
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
    here.left_.set(from);
    here.commit_.set(commit);
    here.commit_argument_.set(argument);
    here.current_.set(to);
    here.count.switches.add(1);
    if (from != nullptr) {
      from->saved_errno = *here.errno_;
      from->exceptions = *here.exceptions_;
    }
    if (to != nullptr) {
      *here.errno_ = to->saved_errno;
      *here.exceptions_ = to->exceptions;
    } else {
      *here.exceptions_ = exception_globals{};
    }
    // What the root knows, such as that its thread was started, the tasks that it runs know too; what a task did before
    // it parks, its commit knows.
    sanitizer::publish(from == nullptr ? static_cast<void*>(&here) : static_cast<void*>(&source.fiber));
    sanitizer::before_jump(source.fiber, target.fiber, last);
    return arrive(jump(target.resume_point.get(), &here), source);
  }

  /// The second half; `self` is the context that has just been resumed or started.
  CSP_SWITCH_FUNCTION processor& arrive(csp_transfer transfer, context& self) noexcept {
    processor& here = *static_cast<processor*>(transfer.argument);
    task* const left = here.left_.get();
    context& source = left != nullptr ? left->context : here.root_;
    sanitizer::after_jump(source.fiber, self.fiber, left == nullptr);
    source.resume_point.set(transfer.left);
    if (left != nullptr) {
      // The left stack may be resumed on another thread as soon as the commit has published it.
      sanitizer::become(here.committer_);
      sanitizer::observe(&source.fiber);
    }
    {
      // The commit's frames lie where those of `self` will lie, with no edge between the two. Its atomics are seen.
      const sanitizer::unseen frames;
      here.commit_.get()(here, left, here.commit_argument_.get());
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
