// Children of fork(2). Only the thread that forked lives on in a child, so a scheduler that ran at that time has none:
// a task that waits there would wait for ever. Waiting, spawning and csp::run in such a child therefore end it with a
// message. What does not wait, and the C library's own calls, work as after any fork; so do exec and _exit.
#pragma once

#include "sched/base/config.h"

namespace csp::inline v0::detail {

struct task;

/// From here on children of fork are told apart. By a scheduler that starts.
void watch_forks();
/// A scheduler has started, or has stopped. Any thread.
void count_scheduler(int change) noexcept;
/// Fatal in a child of fork whose parent had a scheduler at work; `subject`: the task that does it, or null.
void refuse_in_forked_child(const task* subject) noexcept;

}  // namespace csp::inline v0::detail
