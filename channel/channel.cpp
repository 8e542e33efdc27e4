#include "channel/channel.h"

#include "sched/wait_list.h"

#include <stdexcept>

namespace csp::inline v0::detail {

static_assert(sizeof(channel_base) <= cache_line, "a channel has grown: an operation on it touches more memory");

std::uint32_t channel_base::checked(std::size_t capacity) {
  if (capacity > most_values) {
    throw std::length_error("csp::chan: a channel for more than 2^31 values");
  }
  return static_cast<std::uint32_t>(capacity);
}

bool channel_base::close() noexcept {
  scheduling_point();
  winner_list woken;
  lock.lock();
  if (is_closed()) {
    lock.unlock();
    return false;
  }
  closed_.set(1);
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
