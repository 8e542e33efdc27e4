// Where a task starts and ends: its stack is bound, its callable runs, its exception is dealt with, and its stack goes
// on hot to the next unstarted task.
#pragma once

#include "sched/processor.h"
#include "sched/task.h"

namespace csp::inline v0::detail {

/// Gives an unstarted task a stack and its first context, and one whose stack sleeps its stack back: whose resume_point
/// is null. Like a switch, unseen by ThreadSanitizer. It holds a credit, so this cannot fail. On the thread of `here`,
/// by the one who is about to run it.
CSP_API CSP_NO_TSAN void bind_stack(processor& here, task& fresh) noexcept;

/// The handle of a joinable task goes: destroys the result and recycles the cell where that is its part. Any thread.
CSP_API void drop_handle(task& target) noexcept;

/// Gives a cell that nobody refers to any more back to the pool at hand. Any thread.
void recycle_cell(task& cell) noexcept;

}  // namespace csp::inline v0::detail
