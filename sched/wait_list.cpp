#include "sched/wait_list.h"

namespace csp::inline v0::detail {

wake_reason wait_in_queue_locked(wait_queue& queue, spinlock& lock, wait_node& node, wait_kind kind, nanos deadline,
                                 release_function before_unlock, void* argument) {
  if (deadline == never) {
    exclusive_wait request{queue, lock, node, kind, true};
    request.before_unlock = before_unlock;
    request.argument = argument;
    return wait_exclusive(request);
  }
  try {
    static_cast<void>(calling_waiter());  // a plain thread's first wait may find no memory
  } catch (...) {
    lock.unlock();
    throw;
  }
  open_wait request(kind);
  spinlock* const locks[] = {&lock};
  request.locks = locks;
  request.deadline = deadline;
  request.before_unlock = before_unlock;
  request.argument = argument;
  node.owner = &request.owner;
  node.ticket = request.ticket;
  queue.push(node);
  const wake_reason reason = wait(request);
  if (reason < wake_reason::first_case) {
    const spinlock_guard guard(lock);
    queue.remove(node);
  }
  return reason;
}

}  // namespace csp::inline v0::detail
