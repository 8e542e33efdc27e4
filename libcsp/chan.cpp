#include <libcsp/chan.h>

#include "sched/park.h"

namespace csp::inline v0 {

closed_channel::closed_channel() : std::logic_error("csp: operation on a closed channel") {}

namespace detail {

void throw_status(op_status status) {
  if (status == op_status::canceled) {
    throw canceled();
  }
  throw closed_channel();
}

void throw_close_of_nil() { throw std::logic_error("csp: close of a nil channel"); }

op_status wait_on_nil(nanos deadline) {
  try {
    if (deadline > current_time()) {
      deadline == never ? wait_for_ever() : sleep_until(deadline);
    }
  } catch (const canceled&) {
    return op_status::canceled;
  }
  return op_status::timeout;
}

}  // namespace detail
}  // namespace csp::inline v0
