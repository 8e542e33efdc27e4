// A task: its control block and its payload, which is the callable, and for a joinable task the state of the join and
// the result. It fills a cell (sched/cell_arena.h).
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
struct task;

/// How the payload of one kind of callable is run and destroyed.
struct task_operations {
  void (*invoke)(void* payload);            // runs the callable; may throw
  void (*destroy)(void* payload) noexcept;  // destroys the callable, on the task's own stack; null: nothing to do
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

/// What a cell has room for; a larger callable goes to the heap.
inline constexpr std::size_t payload_size = 144;

/// A task is a whole cell: block and payload.
///
/// A switch, a wait and a wake touch no more of it than the first two cache lines and the begin of the third, where the
/// exceptions and the first of what the callable has captured lie. Where thousands of tasks take turns they leave the
/// caches in between, and each line more is waited for. What only spawn, end, deadlines, reports and the lists behind
/// locks look at comes last.
struct alignas(cache_line) task : waiter {
  task() noexcept : waiter(kind::task) { alarm.sleeper = this; }  // NOLINT(*-member-init): the payload stays unmade

  relaxed<wait_kind> waits_for;  // written by the task, read by reports
  std::uint8_t stack_class = 0;
  std::uint16_t shields = 0;        // depth of csp::shield
  std::uint16_t private_units = 0;  // of 16 bytes: the user's part of the stack
  detail::context context;
  scheduler_core* core = nullptr;
  processor* home = nullptr;  // the only processor that may run it; null: any
  int saved_errno = 0;
  relaxed<std::uint32_t> waiting_since;  // coarse: the scheduler's monitor ticks
  relaxed<std::uint32_t> generation;     // this and the next are read by anybody
  atomic<std::uint32_t> cancel_generation{0};

  exception_globals exceptions;
  alignas(16) std::array<std::byte, payload_size> payload_bytes;

  std::array<relaxed<std::uint64_t>, 4> name;

  timer alarm;  // of the task's present wait; a cache line of its own

  const task_operations* operations = nullptr;
  stack_block* stack = nullptr;
  relaxed<scheduler_core*> listed_core;
  relaxed<std::uint64_t> id;                    // read by anybody, as are those that follow
  [[no_unique_address]] relaxed_location site;  // where it has parts, the next field lies in its padding
  std::uint32_t host = 0;      // in a simulation with a network: the host that it runs on; its spawner's
  task* queue_next = nullptr;  // in a list of tasks

  /// True when somebody asked this task to end.
  [[nodiscard]] CSP_ALWAYS_INLINE bool cancel_requested() const noexcept {
    return cancel_generation.load(std::memory_order_relaxed) == generation.get();
  }

  /// Keeps at most 31 characters.
  void set_name(std::string_view text) noexcept;

  /// Copies the name into a buffer of at least 32 bytes, terminated. Any thread.
  void copy_name(char* buffer) const noexcept;

  [[nodiscard]] void* payload() noexcept { return payload_bytes.data(); }
};

static_assert(sizeof(task) == 448 || sizeof(sanitizer::fiber) > 1,
              "a cell has another size: it costs each task so much");

/// Bytes at the top of its stack that are the user's.
inline std::size_t private_bytes_of(const task& subject) noexcept { return std::size_t{16} * subject.private_units; }

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
