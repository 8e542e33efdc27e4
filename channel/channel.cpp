#include "channel/channel.h"

#include "sched/wait_list.h"

namespace csp::inline v0::detail {

bool channel_base::close() noexcept {
  scheduling_point();
  winner_list woken;
  lock.lock();
  if (closed_.get()) {
    lock.unlock();
    return false;
  }
  closed_.set(true);
  for (wait_queue* const queue : {&receivers, &senders}) {
    while (wait_node* const node = woken.take_one(*queue)) {
      node->closed = true;
    }
  }
  lock.unlock();
  woken.make_ready();
  return true;
}

op_status channel_base::wait_in_until(queue_wait& request, nanos deadline) {
  if (deadline <= current_time()) {
    lock.unlock();
    return op_status::timeout;
  }
  return status_of(wait_in_queue_until(request, deadline), request);
}

}  // namespace csp::inline v0::detail
