// The control block of a task. It sits at the start of a cell (sched/cell_arena.h), followed by the payload: the
// callable, and for a joinable task the state of the join and the result.
//
// Invariants
// - A block is constructed once, when its cell is carved, and reused for ever: rivals may hold a stale pointer and are
//   turned away by the wait's number (waiter) or by the generation.
// - `generation` is odd while the cell holds a task. Only the party that owns the cell changes it.
// - `resume_point` is null until the task has run first; `stack` is bound then.
// - All fields without a comment belong to whoever owns the task: its processor while it runs, its queue while it is
//   runnable, the winner of its wait while it waits.
#pragma once

#include "sched/base/atomic.h"
#include "sched/base/source_location.h"
#include "sched/context.h"
#include "sched/timer.h"
#include "sched/waiter.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace csp::inline v0::detail {

class processor;
class scheduler_core;
struct stack_block;

/// How the payload of one kind of callable is run and destroyed.
struct task_operations {
  void (*invoke)(void* payload);            // runs the callable; may throw
  void (*destroy)(void* payload) noexcept;  // destroys the callable, on the task's own stack
  void (*destroy_result)(
      void* payload) noexcept;  // of a joinable task, else null; its payload starts with a join_state

  [[nodiscard]] bool joinable() const noexcept { return destroy_result != nullptr; }
};

/// Why a task waits; shown in reports.
enum class wait_kind : std::uint8_t {
  none,
  send,
  receive,
  select,
  sleep,
  join,
  mutex,
  condition,
  semaphore,
  wait_group,
  blocking,
  readable,
  writable,
  forever,
};

/// The text of a wait kind, such as "chan receive".
[[nodiscard]] CSP_API const char* describe(wait_kind kind) noexcept;

/// The C++ runtime's exception state of one thread of control; the layout of __cxa_eh_globals (Itanium C++ ABI 2.2.2).
/// With its padding spelt out it is copied by one move.
struct exception_globals {
  void* caught = nullptr;
  unsigned int uncaught = 0;
  unsigned int padding = 0;
};
static_assert(sizeof(exception_globals) == 2 * sizeof(void*));

// The order of the fields is that of who touches them: the waiter's first cache line and the rest of the second one are
// all that a waker reaches; a switch takes the third one too, a deadline the fourth. What is rare comes last.
struct task : waiter {
  task() noexcept : waiter(kind::task) { alarm.sleeper = this; }

  relaxed<wait_kind> waits_for;  // written by the task, read by reports
  std::uint8_t stack_class = 0;
  std::uint16_t shields = 0;        // depth of csp::shield
  std::uint16_t private_units = 0;  // of 16 bytes: the user's part of the stack
  detail::context context;
  scheduler_core* core = nullptr;
  processor* home = nullptr;  // the only processor that may run it; null: any
  task* queue_next = nullptr;
  int saved_errno = 0;
  relaxed<std::uint32_t> waiting_since;  // coarse: the scheduler's monitor ticks

  exception_globals exceptions;
  // Identity and cancellation; read by anybody.
  relaxed<std::uint32_t> generation;
  atomic<std::uint32_t> cancel_generation{0};
  const task_operations* operations = nullptr;
  stack_block* stack = nullptr;
  relaxed<std::uint64_t> id;
  relaxed<scheduler_core*> listed_core;

  std::uint32_t host = 0;  // in a simulation with a network: the host that it runs on; its spawner's
  relaxed<unsigned> site_line;

  timer alarm;  // of the task's present wait

  relaxed<const char*> site_file;
  relaxed<const char*> site_function;
  std::array<relaxed<std::uint64_t>, 4> name;

  /// True when somebody asked this task to end.
  [[nodiscard]] CSP_ALWAYS_INLINE bool cancel_requested() const noexcept {
    return cancel_generation.load(std::memory_order_relaxed) == generation.get();
  }

  /// Keeps at most 31 characters.
  void set_name(std::string_view text) noexcept;

  /// Copies the name into a buffer of at least 32 bytes, terminated. Any thread.
  void copy_name(char* buffer) const noexcept;

  [[nodiscard]] void* payload() noexcept;
};

/// Where the payload lies in a cell, and what it has room for at least; a larger callable goes to the heap.
inline constexpr std::size_t payload_offset = (sizeof(task) + 15) / 16 * 16;
inline constexpr std::size_t least_payload = 128;

/// Size of a cell: control block and payload, in whole cache lines.
inline constexpr std::size_t cell_size = (payload_offset + least_payload + cache_line - 1) / cache_line * cache_line;
inline constexpr std::size_t payload_size = cell_size - payload_offset;
static_assert(cell_size == 448 || sizeof(sanitizer::fiber) > 1, "a cell has another size: it costs each task so much");

/// Bytes at the top of its stack that are the user's.
inline std::size_t private_bytes_of(const task& subject) noexcept { return std::size_t{16} * subject.private_units; }

inline void* task::payload() noexcept { return reinterpret_cast<std::byte*>(this) + payload_offset; }

/// Asks a task to end, if `generation` is still its generation: its next cancellation point throws. The caller then
/// passes an asymmetric heavy fence and calls interrupt_wait(). Any thread.
void request_cancel(task& target, std::uint32_t generation) noexcept;

/// Ends the wait that the target is in, if that may be cancelled. Any thread, after the fence.
void interrupt_wait(task& target) noexcept;

/// Both steps for one task. Any thread.
CSP_API void cancel(task& target, std::uint32_t generation) noexcept;

/// Writes "task 'name' (id) spawned at file:line" for a message; async-signal-safe.
void describe_task(const task& subject, char* buffer, std::size_t size) noexcept;

}  // namespace csp::inline v0::detail
