// The commonest wait, in one queue and without a deadline, and yield: inlined into the user's code (see switch_task.h).
// The other waits are in sched/park.h.
#pragma once

#include "sched/base/fatal.h"
#include "sched/base/tls.h"
#include "sched/switch_task.h"
#include "sched/wait_queue.h"

namespace csp::inline v0::detail {

/// Whom a wait makes ready after it has released its locks; null: nobody.
using release_function = waiter* (*)(void* argument) noexcept;

/// A wait in one queue, by the waiter's own node. `lock` guards the queue, is held, and is released by the wait.
struct queue_wait {
  wait_queue& queue;
  spinlock& lock;
  wait_kind kind;
  bool cancellable;
  void* slot = nullptr;       // for the node's
  wait_node* node = nullptr;  // out: the own node, as who ended the wait has left it, until the next wait
  bool at_front = false;      // keeps its turn after a wake in vain
  /// Runs under the lock, when the waiter's stack has been left and before anybody can wake it; whom it returns is made
  /// ready after the unlock.
  release_function before_unlock = nullptr;
  void* argument = nullptr;
};

/// The running task of a processor's thread; null in a plain thread. Fatal where nothing may wait.
[[nodiscard]] CSP_ALWAYS_INLINE task* waiting_task(const processor* here) noexcept {
  if (here == nullptr) {
    return nullptr;
  }
  task* const self = here->current();
  require(self != nullptr, "a blocking operation was called where nothing may wait (a timer's callback?)");
  return self;
}

/// False while the task is shielded or unwinds: then its waits cannot be cancelled.
[[nodiscard]] CSP_ALWAYS_INLINE bool may_cancel(const processor& here, const task& self) noexcept {
  return self.shields == 0 && here.thread_exceptions()->uncaught == 0;
}

/// What a report shows of a waiting task.
CSP_ALWAYS_INLINE void note_wait(const processor& here, task& self, wait_kind kind) noexcept {
  self.waits_for.set(kind);
  self.waiting_since.set(here.coarse_time());
}

/// The commit of an exclusive wait: publishes it and releases the lock. `argument` is null for a wait that cannot be
/// cancelled. On another stack than the waiter's.
CSP_API void commit_exclusive(processor& here, task* left, void* argument) noexcept;
/// The same for a queue_wait, the argument, that has something to do before the unlock.
CSP_API void commit_releasing(processor& here, task* left, void* argument) noexcept;

/// The wait of a plain thread, whose node it returns. The parts of the request one by one: so they come in registers,
/// and a task's frame has no room for the request.
[[nodiscard]] CSP_API CSP_NOINLINE wait_node& wait_as_thread(wait_queue& queue, spinlock& lock, void* slot,
                                                             bool at_front, release_function before_unlock,
                                                             void* argument);

/// The wait without a deadline. Waits until a rival takes the node: first_case; or until the task is cancelled:
/// wake_reason::canceled, the node is out of the queue. From a task or a plain thread.
[[nodiscard]] CSP_ALWAYS_INLINE wake_reason wait_exclusive(queue_wait& request) {
  processor* const here = this_processor();
  task* const self = waiting_task(here);
  if (self == nullptr) [[unlikely]] {
    wait_node& node = wait_as_thread(request.queue, request.lock, request.slot, request.at_front, request.before_unlock,
                                     request.argument);
    request.node = &node;
    return node.owner->outcome();
  }
  const bool cancellable = request.cancellable && may_cancel(*here, *self);
  wait_node& node = self->prepare_own(request.slot);
  request.node = &node;
  request.at_front ? request.queue.push_front(node) : request.queue.push(node);
  self->prepare_exclusive(request.queue, request.lock);
  note_wait(*here, *self, request.kind);
  if (request.before_unlock == nullptr) {
    here->park(commit_exclusive, reinterpret_cast<void*>(std::uintptr_t{cancellable}));
  } else {
    queue_wait releasing = request;  // a copy: so the compiler need not write the request to memory in the common way
    releasing.cancellable = cancellable;
    here->park(commit_releasing, &releasing);
  }
  self->leave_exclusive();
  self->waits_for.set(wait_kind::none);
  return self->outcome();
}

}  // namespace csp::inline v0::detail
