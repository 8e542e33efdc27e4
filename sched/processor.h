// A processor: one OS thread and all that it needs to run tasks. Its loop is step(), one decision at a time, so that a
// thread, a test or a host event loop can drive it.
//
// Invariants
// - Between the calls of step() no task runs here. Inside, the processor's own stack ("root") and the tasks' stacks
//   take turns on one thread; a task that parks switches straight to the next one where it can.
// - Whoever leaves a stack names a commit; the side that arrives runs it first of all. So nothing is published before
//   the stack it belongs to has been left (switch.h).
// - Fields are the owner's unless a comment says who else may look. Processors are pooled and never freed: a waker may
//   still hold a pointer after its scheduler has stopped.
#pragma once

#include "sched/base/parker.h"
#include "sched/base/random.h"
#include "sched/base/relaxed.h"
#include "sched/cell_arena.h"
#include "sched/fresh_list.h"
#include "sched/idle.h"
#include "sched/local_queue.h"
#include "sched/observation.h"
#include "sched/processor_limits.h"
#include "sched/run_queue.h"
#include "sched/stack_pool.h"
#include "sched/task.h"
#include "sched/task_list.h"
#include "sched/time_bound.h"
#include "sched/timer_heap.h"

#include <cstdint>
#include <ctime>
#include <vector>

namespace csp::inline v0::detail {

class poller;
class scheduler_core;

/// What a commit does for the task (null: the root) whose stack was just left; runs on another stack.
using commit_function = void (*)(processor& here, task* left, void* argument) noexcept;

class CSP_API processor : public processor_limits {
 public:
  enum class step_result { ran, idle };

  processor() noexcept;
  processor(const processor&) = delete;
  processor& operator=(const processor&) = delete;

  // --- life, called by the scheduler ---------------------------------------------------------------------------------

  /// Prepares a pooled processor for service. No thread drives it yet.
  void assign(scheduler_core& core, unsigned index, std::uint64_t seed, bool spare);
  /// Binds to the calling thread: thread-locals, exception globals, alternate signal stack. Must be left on it too.
  void enter_thread();
  /// Gives pooled memory back and unbinds from the calling thread. No task is left in its queues.
  void leave_thread() noexcept;

  // --- the loop, on the driving thread, outside tasks ----------------------------------------------------------------

  /// Makes one decision: runs one task until it comes back, or finds that there is nothing to do. Does not sleep.
  step_result step() noexcept;
  /// Sleeps until there may be work; after step() said idle.
  void sleep() noexcept;
  /// The two halves of sleep() around the sleep itself, for a simulator. begin_sleep(): false when there is work after
  /// all. end_sleep() follows in either case.
  [[nodiscard]] bool begin_sleep() noexcept;
  void end_sleep() noexcept;
  /// Steps and sleeps until the scheduler halts, or until this spare may retire.
  void run_loop() noexcept;

  // --- on the running task's stack -----------------------------------------------------------------------------------

  /// The running task; null on the root.
  [[nodiscard]] CSP_ALWAYS_INLINE task* current() const noexcept { return current_.get(); }
  /// The same where there is one.
  [[nodiscard]] task* running() const noexcept;
  /// Leaves the running task; `commit` publishes it. Returns when somebody has made it ready and a processor runs it.
  /// Defined in switch_task.h, for the few functions that park.
  void park(commit_function commit, void* argument) noexcept;
  /// Lets others run first. Returns at once when there is nobody.
  void yield(task& self) noexcept;
  /// Lets the task run first that was made ready last, and those in line if they are fewer than `places`: for a running
  /// task that is about to wait in so many places, and may find some of them ready afterwards. False, and nothing has
  /// happened, when none was made ready, or when it did not help lately.
  [[nodiscard]] bool step_aside(std::size_t places) noexcept;
  /// It did not help, or thieves took who stood by, as the other one ran for long: the next calls are refused. From any
  /// processor's thread.
  void refuse_steps() noexcept { refused_steps_.set(steps_refused); }
  /// The task to run after the running one, from the own queue; null: the root must decide.
  [[nodiscard]] task* take_next() noexcept;
  /// Who has left its stack to the root last; for a simulator, after a step.
  [[nodiscard]] const task* last_left() const noexcept { return last_left_.get(); }
  /// Forgets the tasks in line here, also in the scheduler's shared lists, and the timers: nobody will run them any
  /// more. For a simulator; on this processor's thread, outside tasks.
  void give_up_tasks() noexcept;
  /// Puts a fresh task in line, and wakes somebody for it where that helps.
  void submit(task& fresh) noexcept;

  // --- by any thread
  // --------------------------------------------------------------------------------------------------

  /// Puts a task that was just made ready in line. On this processor's thread only.
  void ready(task& woken) noexcept;
  /// Between the two, what ready() gets goes behind what is ready already, and nobody is woken for each alone. `many`:
  /// there may be work for others. By the poller, on this processor's thread, on the root.
  void begin_delivery() noexcept { delivering_ = true; }
  void end_delivery(bool many) noexcept;
  /// Puts a task that is pinned here, or was moved here, into the inbox and wakes this processor. Any thread.
  void deliver(task& pinned) noexcept;
  /// Wakes this processor if it sleeps. Any thread.
  void wake() noexcept { parker_.unpark(); }

  /// True when a glance finds something that this processor, or a thief, could run now. Any thread.
  [[nodiscard]] bool has_work(nanos now) const noexcept;
  /// The same, timers aside.
  [[nodiscard]] bool has_work_in_line() const noexcept;
  /// The same, but only what a thief may take without a fence.
  [[nodiscard]] bool has_stealable_work() const noexcept {
    return ring_.size() != 0 || overflow_.size() != 0 || fresh_.size() != 0;
  }
  /// Takes tasks from this processor for another; the count. `impatient`: also from the part that costs a fence.
  [[nodiscard]] std::uint32_t steal_from(task** items, std::uint32_t limit, bool impatient) noexcept;
  /// Notes that a task which must come back to this processor waits, or has come back. On this processor's thread.
  void hold(int change) noexcept { held_.add(change); }
  /// Opens this processor for thieves, or closes it: while it is open, what becomes ready goes to the ring at once,
  /// where a thief takes it without a fence, for its owner leaves tasks waiting for long. It closes by itself. By a
  /// thief.
  void open_to_thieves(bool open) noexcept {
    open_until_.set(open ? count.switches.get() + switches_open : 0);
    note_other_lines();
  }

  // --- parts
  // ----------------------------------------------------------------------------------------------------------

  timer_heap timers;
  stack_pool stacks;
  cell_pool cells;
  random_source random;

  [[nodiscard]] scheduler_core& core() const noexcept { return *core_.get(); }
  [[nodiscard]] unsigned index() const noexcept { return index_.get(); }
  [[nodiscard]] bool is_spare() const noexcept { return spare_.get(); }
  [[nodiscard]] futex_parker& sleeper() noexcept { return parker_; }
  [[nodiscard]] CSP_ALWAYS_INLINE std::uint64_t next_id() noexcept {
    if (ids_next_ == ids_end_) [[unlikely]] {
      fetch_ids();
    }
    return ids_next_++;
  }
  /// A time of the scheduler's clock that is not before now. On this processor's thread.
  [[nodiscard]] CSP_ALWAYS_INLINE nanos time_from_now_on() noexcept {
    return soon_.get([this]() noexcept { return now(); });
  }
  /// Milliseconds since the start, as of the monitor's last tick.
  [[nodiscard]] std::uint32_t coarse_time() const noexcept { return coarse_time_->get(); }
  /// The floating-point environment that tasks start with, the driving thread's (jump.h).
  [[nodiscard]] CSP_NO_TSAN std::uint16_t control_word() const noexcept { return control_word_; }
  [[nodiscard]] CSP_NO_TSAN exception_globals* thread_exceptions() const noexcept { return exceptions_; }

  /// Counters, written by the owner, read by anybody.
  struct counters {
    relaxed<std::uint64_t> spawned;
    relaxed<std::uint64_t> finished;
    relaxed<std::uint64_t> switches;
    relaxed<std::uint64_t> steals;  // tasks taken from other processors
    relaxed<std::uint64_t> sleeps;  // times that the thread went to sleep
  };
  counters count;

  /// How this processor signs the locks that it takes (contention.h); no other one, of any scheduler, signs the same.
  [[nodiscard]] std::uint32_t signature() const noexcept { return signature_.get(); }
  /// The same for one more operation on something that tasks share: counted, for weigh_contention().
  [[nodiscard]] CSP_ALWAYS_INLINE std::uint32_t sign_operation() noexcept {
    shared_operations_.add(1);
    return signature_.get();
  }
  /// Set in the signature of a processor that a simulator drives.
  static constexpr std::uint32_t simulated_mark = std::uint32_t{1} << 31;
  /// True when a simulator drives this processor.
  [[nodiscard]] CSP_ALWAYS_INLINE bool is_simulated() const noexcept {
    return (signature_.get() & simulated_mark) != 0;
  }
  /// In a simulation: lets others come first, if a task runs here (simulator.h).
  CSP_NOINLINE void interleave() noexcept;
  /// Counts that a task here met a lock in the hands of `rival`. Where it should go, if that happens all the time and
  /// there is a better place for it; else null. On this processor's thread.
  [[nodiscard]] processor* weigh_contention(std::uint32_t rival) noexcept;
  /// The running task has to wait for what is in the hands of `rival`. On this processor's thread.
  void note_wait_for_rival(std::uint32_t rival) noexcept;
  /// How many processors sleep that avoid this one (sleep.cpp): to wake them for a push of ours would be in vain.
  [[nodiscard]] std::uint32_t avoiders() const noexcept { return avoiders_.load(std::memory_order_relaxed); }
  /// Wakes this one, which the caller has taken off the idle list, for a push by the processor `waker`.
  void wake_for(const processor& waker) noexcept {
    woken_by_.set(waker.index() + 1);
    wake();
  }
  /// Moves the running task to another processor of its scheduler, from where this one does not take it back soon.
  void move_to(processor& other) noexcept;

  /// Asks for the next decision to look at timers and inbox soon. Any thread; a hint.
  void request_chores() noexcept { chores_at_.set(0); }
  /// Set by the monitor when a spare is no longer needed; it retires when it is idle.
  relaxed<bool> retire_requested;
  /// True while the thread sleeps or is about to.
  relaxed<bool> sleeping;
  /// CPU time that the driving thread has used; for the monitor. 0 when there is no thread.
  [[nodiscard]] nanos thread_cpu_time() const noexcept { return read_clock(thread_clock_.get()); }
  /// The kernel's number of the driving thread. Any thread.
  [[nodiscard]] int thread_number() const noexcept { return thread_number_.get(); }

 private:
  friend struct switcher;

  static void commit_yielded(processor& here, task* left, void* argument) noexcept;
  /// After begin_turn() of the local queue: ends the turn with the task that was left.
  CSP_API static void commit_turn(processor& here, task* left, void* argument) noexcept;
  /// Puts the task that was left into the ring, which has room. Calls nothing: what a commit pushes lies on the stack
  /// of the next task, below what that one has in use, and where thousands take turns that is a cache line more.
  CSP_API static void commit_to_ring(processor& here, task* left, void* argument) noexcept;
  /// Whom a yield lets run, and how it is published then.
  struct turn {
    task* next = nullptr;
    commit_function commit = nullptr;
  };
  /// The common ways of a yield, decided by one look: the next task comes from the local queue, and the one that yields
  /// goes to its end, or to the ring where that is behind it. Nobody, and nothing has happened, in any other case.
  [[nodiscard]] turn begin_turn(const task& self) noexcept;
  /// True while what goes to the end of the local queue goes behind all tasks in line that have started, and is not
  /// wanted by thieves.
  [[nodiscard]] CSP_ALWAYS_INLINE bool local_is_last() const noexcept {
    return overflow_.size() == 0 && ring_is_passed_by();
  }
  /// The same, but for the overflow list.
  [[nodiscard]] CSP_ALWAYS_INLINE bool ring_is_passed_by() const noexcept {
    return ring_.size() == 0 && !is_open_to_thieves();
  }
  /// Notes that a task was put in line elsewhere than in the local queue, or that thieves want them there: yields look
  /// for that no sooner. After the push; any thread.
  void note_other_lines() noexcept {
    // [OL1] release: after what was pushed; pairs with the fence in settle_other_lines().
    other_lines_.store(true, std::memory_order_release);
  }
  /// Takes the note back, if it has become untrue. At chores.
  void settle_other_lines() noexcept;
  [[nodiscard]] bool has_other_lines() const noexcept {
    return ring_.size() != 0 || overflow_.size() != 0 || inbox_.size() != 0 || is_open_to_thieves();
  }
  CSP_API static void commit_aside(processor& here, task* left, void* argument) noexcept;
  static void commit_moved(processor& here, task* left, void* argument) noexcept;
  /// True when the root's turn has come: to look at timers, inbox, poller and the scheduler's shared lists.
  [[nodiscard]] CSP_ALWAYS_INLINE bool chores_are_due() const noexcept {
    return count.switches.get() >= chores_at_.get();
  }
  /// For a yield without a switch: who yields alone for ever must come to them, too.
  CSP_ALWAYS_INLINE void bring_chores_forward() noexcept {
    if (const std::uint64_t at = chores_at_.get(); at != 0) {
      chores_at_.set(at - 1);
    }
  }
  [[nodiscard]] task* choose() noexcept;
  /// Gives a task that was taken to run next its stack, while the running one holds locks: if that takes long, memory
  /// of the kernel for one, it is left to the root, which runs it first, and null is returned.
  [[nodiscard]] CSP_API CSP_NO_TSAN task* bind_while_locked(task& fresh) noexcept;
  void do_chores() noexcept;
  /// The scheduler's poller, if it has one that watches something; else null.
  [[nodiscard]] poller* poller_in_use() const noexcept;
  /// Asks the poller, unless somebody has just done so or does; true when that made tasks ready.
  bool poll_now_and_then() noexcept;
  [[nodiscard]] std::uint32_t fire_timers(timer_heap& heap, nanos now, std::uint32_t limit) noexcept;
  [[nodiscard]] bool is_open_to_thieves() const noexcept { return count.switches.get() < open_until_.get(); }

  CSP_NOINLINE void fetch_ids() noexcept;
  /// By the scheduler's clock.
  [[nodiscard]] CSP_NOINLINE nanos now() const noexcept;

  // queues.cpp
  void push_back(task& item) noexcept;
  /// The same, inlined. Where it finds no place in local queue and ring it ends in the next one.
  void push_in_order(task& item) noexcept;
  CSP_NOINLINE void push_behind_ring(task& item) noexcept;
  CSP_NOINLINE void submit_otherwise(task& fresh, processor* home) noexcept;
  /// The same, and wakes somebody where that helps. The rare ends of ready() and of a yield are calls of their own, so
  /// that the common ones save no registers.
  CSP_NOINLINE void push_for_others(task& item) noexcept;
  CSP_NOINLINE void ready_from_root(task& woken) noexcept;
  CSP_NOINLINE void push_pinned(task& pinned) noexcept;
  /// False when it does not belong into the local queue, or finds no place there.
  bool push_local(task& item) noexcept;
  /// From the own queues: what was made ready last.
  [[nodiscard]] task* take_own() noexcept;
  /// The same, but what has waited for longest.
  [[nodiscard]] task* take_oldest() noexcept;
  /// Fills the local queue, which is empty, from the others; the first of them.
  [[nodiscard]] CSP_NOINLINE task* refill() noexcept;
  /// How many tasks a refill moves at the most.
  [[nodiscard]] std::uint32_t refill_limit() const noexcept;
  [[nodiscard]] task* take_pinned() noexcept;
  /// An old task of the fresh list, now and then.
  [[nodiscard]] task* take_aged() noexcept;
  [[nodiscard]] task* take_shared() noexcept;
  /// From inbox and own queue by turns, while both have something.
  [[nodiscard]] CSP_NOINLINE task* take_in_turn(bool newest_first) noexcept;

  // search.cpp
  [[nodiscard]] task* search() noexcept;
  [[nodiscard]] task* search_once(nanos now, nanos& worth_at) noexcept;
  [[nodiscard]] task* adopt(task** items, std::uint32_t taken) noexcept;
  [[nodiscard]] bool work_in_sight(bool everything) noexcept;
  /// Stops searching, if it does, with nothing in hand.
  void quit_search() noexcept;
  /// True for a spare that was asked to retire and has nothing left that only it can do. With timers it serves on.
  [[nodiscard]] bool may_retire() const noexcept;

  // Hot, in the order of use.
  relaxed<task*> current_;
  relaxed<std::uint64_t> chores_at_;   // number of switches; 0: now. Requests come from other threads
  atomic<bool> other_lines_{true};     // false: has_other_lines() is false, too
  relaxed<std::uint64_t> open_until_;  // number of switches; written by thieves
  relaxed<std::uint64_t> shared_operations_;
  relaxed<std::uint32_t> refused_steps_;  // so many calls of step_aside() to come
  relaxed<std::uint32_t> signature_;
  exception_globals* exceptions_ = nullptr;  // of the driving thread
  int* errno_ = nullptr;                     // of the driving thread
  local_queue<task> local_;

  time_bound soon_;
  relaxed<task*> last_left_;
  relaxed<task*> postponed_;  // to run first, when it has a stack
  context root_;
  sanitizer::fiber committer_;  // as whom commits run
  const relaxed<std::uint32_t>* coarse_time_ = nullptr;
  bool searching_ = false;
  bool delivering_ = false;
  relaxed<std::uint64_t> delivered_until_;  // number of switches by which all in line at a look have had a turn
  nanos search_time_ = longest_search;      // how long it looks for work before it sleeps
  relaxed<bool> pinned_turn_;               // inbox and other queues take turns
  std::uint32_t refills_ = 0;               // of the local queue, while the fresh list has tasks
  std::uint32_t aged_turn_ = 0;             // rounds of chores, meanwhile
  std::uint32_t timers_fired_ = 0;          // since it slept last
  relaxed<bool> timers_are_late_;           // at the last chores some were due for which there was no room
  relaxed<nanos> timers_seen_;              // when chores with timers armed were done last
  relaxed<int> held_;                       // tasks that wait and must come back here
  relaxed<clockid_t> thread_clock_;
  relaxed<int> thread_number_;
  std::uint16_t control_word_ = 0;  // of the driving thread, for tasks that start (jump.h)
  unsigned long slack_before_ = 0;  // of the thread that drives us, in its own time; 0: left alone
  std::uint64_t ids_next_ = 0;
  std::uint64_t ids_end_ = 0;
  relaxed<scheduler_core*> core_;
  relaxed<unsigned> index_;
  /// Meetings with locks in other hands, lately.
  struct {
    std::uint32_t meetings = 0;
    std::uint64_t operations = 0;  // shared_operations_ at the first one
    nanos since = 0;               // when that was
  } fight_;
  relaxed<bool> spare_;

  /// False while a theft from it is not worth a try.
  [[nodiscard]] static bool may_rob(const observation& seen, nanos now) noexcept;
  /// While tasks of the one that it was noted for and ours fight over a lock, nothing is taken from there.
  [[nodiscard]] bool shuns(const observation& seen, nanos now) const noexcept;
  // sleep.cpp
  /// Instead of a sleep: when a timer is due very soon, waits until it is or there is something else to do; where
  /// timers are dense, until several are.
  [[nodiscard]] bool await_near_timer() noexcept;
  /// Sleeps until the time given, or until a plain thread submits, without being parked: other processors take this one
  /// for busy, as it soon will be. So there is no heavy fence, and the monitor does not stand by.
  void rest_among_timers(nanos until) noexcept;
  /// Puts the thread to sleep, in the poller if that is in use and nobody else is there. Returns what is to be
  /// delivered from afterwards, or null.
  [[nodiscard]] poller* park_until(nanos limit) noexcept;
  void deliver_from(poller* source) noexcept;
  /// Many were due since the last sleep.
  [[nodiscard]] bool timers_are_dense() const noexcept { return timers_fired_ >= dense_timers; }
  /// Ends the account of the wake that began this search: whether it brought something.
  void judge_wake(bool in_vain) noexcept;
  /// Before a sleep: tells those of the first `end` that this one avoids. The earliest time at which it no longer does,
  /// or never.
  [[nodiscard]] nanos begin_avoidance(unsigned end) noexcept;
  /// After the sleep, with the same `end`.
  void end_avoidance(unsigned end) noexcept;
  /// Waits, as a searcher, while all that could be stolen is not worth it yet.
  void nap(nanos until) noexcept;
  /// Values the last theft, now that what it brought is done.
  void value_theft(nanos now) noexcept;
  std::vector<observation> observed_;  // of each processor that there may be, by index
  unsigned robbed_ = 0;                // the victim of the last theft
  std::uint32_t loot_ = 0;             // how many tasks it brought; 0 once valued
  nanos robbed_at_ = 0;
  std::uint64_t robbed_operations_ = 0;  // shared_operations_ at that time

  // Shared with thieves and wakers.
  alignas(cache_line) run_queue<task, ring_capacity> ring_;
  alignas(cache_line) task_list overflow_;  // of tasks that have started
  alignas(cache_line) fresh_list fresh_;    // of others
  alignas(cache_line) task_list inbox_;
  atomic<std::uint32_t> avoiders_{0};  // how many sleep that avoid this one
  relaxed<std::uint32_t> woken_by_;    // 1 + the index of whose push ended the last sleep; 0: nobody's, or it is judged
  idle_entry idle_;
  futex_parker parker_;
};

}  // namespace csp::inline v0::detail
