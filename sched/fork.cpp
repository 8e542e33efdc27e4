#include "sched/fork.h"

#include "sched/base/atomic.h"
#include "sched/base/fatal.h"
#include "sched/base/tls.h"
#include "sched/scheduler_core.h"

#include <pthread.h>

namespace csp::inline v0::detail {
namespace {

constinit atomic<int> schedulers_running{0};
constinit atomic<bool> forked{false};

// Runs in the child, where no other thread is.
void note_child() noexcept {
  if (schedulers_running.load(std::memory_order_relaxed) == 0) {
    return;
  }
  forked.store(true, std::memory_order_relaxed);
  if (processor* const here = this_processor()) {
    // The next switch goes to the root, and what is spawned looks twice: both see the flag.
    here->request_chores();
    here->core().note_main_ended();
  }
}

}  // namespace

void watch_forks() {
  static const int registered = ::pthread_atfork(nullptr, nullptr, note_child);
  static_cast<void>(registered);  // without memory for it a child that waits is not told why it does so for ever
}

void count_scheduler(int change) noexcept { schedulers_running.fetch_add(change, std::memory_order_relaxed); }

void refuse_in_forked_child(const task* subject) noexcept {
  if (!forked.load(std::memory_order_relaxed)) [[likely]] {
    return;
  }
  constexpr const char* message =
      "a libcsp operation that waits or spawns in a child of fork, where the scheduler's threads are not; exec or "
      "_exit "
      "there";
  if (subject == nullptr) {
    fatal(message);
  }
  char description[256];
  describe_task(*subject, description, sizeof description);
  fatal(message, description);
}

}  // namespace csp::inline v0::detail
