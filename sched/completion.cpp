#include "sched/completion.h"

#include "sched/wait_list.h"

namespace csp::inline v0::detail {

void completion::finish() noexcept {
  winner_list woken;
  lock_.lock();
  done_ = true;
  woken.take_all(waiting_);
  lock_.unlock();
  woken.make_ready();
}

bool completion::wait(wait_kind kind, bool cancellable) {
  lock_.lock();
  if (done_) {
    lock_.unlock();
    return true;
  }
  queue_wait request{waiting_, lock_, kind, cancellable};
  return wait_exclusive(request) != wake_reason::canceled;
}

}  // namespace csp::inline v0::detail
