#include "sched/wait_list.h"

namespace csp::inline v0::detail {

wake_reason wait_in_queue_until(queue_wait& request, nanos deadline) {
  if (deadline == never) {
    return wait_exclusive(request);
  }
  spinlock& lock = request.lock;
  try {
    static_cast<void>(calling_waiter());  // a plain thread's first wait may find no memory
  } catch (...) {
    lock.unlock();
    throw;
  }
  open_wait timed(request.kind);
  spinlock* const locks[] = {&lock};
  timed.locks = locks;
  timed.deadline = deadline;
  timed.cancellable = request.cancellable;
  timed.before_unlock = request.before_unlock;
  timed.argument = request.argument;
  wait_node& node = timed.owner.prepare_own(request.slot, timed.ticket);
  request.node = &node;
  request.at_front ? request.queue.push_front(node) : request.queue.push(node);
  const wake_reason reason = wait(timed);
  if (reason < wake_reason::first_case) {
    const spinlock_guard guard(lock);
    request.queue.remove(node);
  }
  node.ticket = 0;
  return reason;
}

}  // namespace csp::inline v0::detail
