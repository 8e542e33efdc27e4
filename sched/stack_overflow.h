// What happens when a task runs out of stack: one message on stderr with the task, its spawn site and its stack size,
// and death by the default action of SIGSEGV (core dump at the very instruction).
//
// Seen: an access to the guard page of a stack of stack_arena::instance(), or of the running task's, by whoever runs on
// that stack, on any thread that has an alternate signal stack; and a signal frame that no longer fits (it needs about
// 11 KiB with AVX-512 and AMX state, so a handler without SA_ONSTACK ends a task on a small stack). Not seen: a frame
// larger than the guard page that jumps over it into the neighbour below; compile such code with
// -fstack-clash-protection. A system call that is passed a buffer in the guard page fails with EFAULT instead. Where
// guards are canaries (stack_guard.h) the overflow is noticed when the stack is given back.
#pragma once

#include <cstddef>

#include "sched/stack_arena.h"

namespace csp::inline v0::detail {

// Writes a short text about a stack's owner ("'name' (id 7), spawned at file:line") into buffer, ended by a null
// character. Called in a signal handler: async-signal-safe, and it needs less than 32 KiB of stack.
using stack_owner_describer = void (*)(const void* owner, char* buffer, std::size_t size);
void set_stack_owner_describer(stack_owner_describer describer) noexcept;

// Returns the stack of the calling thread's running task, or null: finds stacks outside the arena. Async-signal-safe.
using running_stack_finder = const stack_block* (*)() noexcept;
void set_running_stack_finder(running_stack_finder finder) noexcept;

// Installs the handler of SIGSEGV and SIGBUS, for the whole process and for good; later calls do nothing. A fault that
// is no overflow goes to the handler that was installed before, with its mask and flags; only that it runs on the
// alternate stack. Any thread.
void install_stack_overflow_handler() noexcept;

// The alternate signal stack of the calling thread, without which the kernel cannot deliver the fault of an overflow.
// A thread that has one already keeps it. Constructed and destroyed on the same thread, in scope while it runs tasks.
class alternate_signal_stack {
 public:
  alternate_signal_stack();  // std::bad_alloc
  ~alternate_signal_stack();
  alternate_signal_stack(const alternate_signal_stack&) = delete;
  alternate_signal_stack& operator=(const alternate_signal_stack&) = delete;

 private:
  std::byte* memory_ = nullptr;  // null: the thread had one of its own
  std::size_t size_ = 0;         // of memory_, its guard page included
};

// Writes the message about `block` and aborts: for a stack whose canary is broken.
[[noreturn]] void die_of_broken_canary(const stack_block& block) noexcept;

// For a stack on which nobody runs any more. Also when it is handed on to the next task directly.
inline void check_stack_canary(const stack_block& block) noexcept {
  if (block.guard == stack_guard_kind::canary && !stack_canary_intact(block.base)) [[unlikely]] {
    die_of_broken_canary(block);
  }
}

}  // namespace csp::inline v0::detail
