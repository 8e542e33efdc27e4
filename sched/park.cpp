#include "sched/park.h"

#include "sched/base/atomic.h"
#include "sched/base/futex.h"
#include "sched/fork.h"
#include "sched/scheduler_core.h"
#include "sched/thread_block.h"

namespace csp::inline v0::detail {

namespace {

// make_ready() for a task that is not just put in line here. A call of its own, so that the common way saves no
// registers.
CSP_NOINLINE void make_ready_elsewhere(task& woken, processor* home, scheduler_core& core) noexcept {
  if (home != nullptr) {
    home->deliver(woken);
    return;
  }
  core.ready_outside.push(&woken);
  core.notify_from_outside();
}

CSP_NOINLINE void unpark(waiter& owner) noexcept { static_cast<thread_block&>(owner).parker.unpark(); }

}  // namespace

void make_ready(waiter& owner) noexcept {
  require_no_locks("make_ready");
  if (!owner.is_task()) [[unlikely]] {
    unpark(owner);
    return;
  }
  task& woken = static_cast<task&>(owner);
  processor* const home = woken.home;
  scheduler_core& core = *woken.core;
  sanitizer::publish(&woken);
  processor* const here = this_processor();
  if (here == nullptr || home != nullptr || &here->core() != &core) [[unlikely]] {
    make_ready_elsewhere(woken, home, core);
    return;
  }
  here->ready(woken);
}

void prefetch_stack(const waiter& owner) noexcept {
  if (!owner.is_task()) {
    return;
  }
  const sanitizer::unseen glance;
  const auto* const stack_top = static_cast<const char*>(static_cast<const task&>(owner).context.resume_point.get());
  if (stack_top == nullptr) {
    return;  // it hibernates
  }
  __builtin_prefetch(stack_top);
  __builtin_prefetch(stack_top + cache_line);
  __builtin_prefetch(stack_top + 2 * cache_line);
  // Where the calls with which it waits again leave what they save.
  __builtin_prefetch(stack_top - cache_line);
  __builtin_prefetch(stack_top - 2 * cache_line);
}

waiter& calling_waiter() {
  task* const self = waiting_task(this_processor());
  if (self != nullptr) {
    return *self;
  }
  return this_thread_block();
}

// --- one queue
// --------------------------------------------------------------------------------------------------------

void commit_exclusive(processor&, task* left, void* argument) noexcept {
  const bool cancellable = argument != nullptr;
  spinlock& lock = left->publish_exclusive(cancellable);
  // Pairs with the heavy fence between request_cancel() and interrupt_wait(): the canceller sees this wait, or its
  // request is seen here.
  asymmetric_fence::light();
  if (cancellable && left->cancel_requested()) [[unlikely]] {
    left->abandon_exclusive();
    lock.unlock();
    make_ready(*left);
    return;
  }
  lock.unlock();
  // The waiter may be gone from here on.
}

void commit_releasing(processor& here, task* left, void* argument) noexcept {
  const auto& request = *static_cast<const queue_wait*>(argument);
  waiter* const other = request.before_unlock(request.argument);
  commit_exclusive(here, left, reinterpret_cast<void*>(std::uintptr_t{request.cancellable}));
  if (other != nullptr) {
    make_ready(*other);
  }
}

wait_node& wait_as_thread(wait_queue& queue, spinlock& lock, void* slot, bool at_front, release_function before_unlock,
                          void* argument) {
  refuse_in_forked_child(nullptr);
  thread_block* block = nullptr;
  try {
    block = &this_thread_block();
  } catch (...) {
    lock.unlock();
    throw;
  }
  thread_block& self = *block;
  wait_node& node = self.prepare_own(slot);
  at_front ? queue.push_front(node) : queue.push(node);
  self.prepare_exclusive(queue, lock);
  static_cast<void>(self.publish_exclusive(false));
  waiter* const other = before_unlock != nullptr ? before_unlock(argument) : nullptr;
  lock.unlock();
  if (other != nullptr) {
    make_ready(*other);
  }
  while (!self.parker.park_until(never)) {
  }
  self.leave_exclusive();
  return node;
}

// --- many queues, deadline
// --------------------------------------------------------------------------------------------

void commit_open(processor& here, task* left, void* argument) noexcept {
  auto& state = *static_cast<open_commit*>(argument);
  open_wait& request = state.request;
  left->publish_open(request.ticket, request.cancellable);
  if (request.deadline != never) {
    left->alarm.when = request.deadline;
    here.timers.arm(left->alarm);
  }
  waiter* const other = request.before_unlock != nullptr ? request.before_unlock(request.argument) : nullptr;
  for (spinlock* const lock : request.locks) {
    lock->unlock();
  }
  // Pairs with the heavy fence between request_cancel() and interrupt_wait().
  asymmetric_fence::light();
  const bool cancel_now =
      request.cancellable && left->cancel_requested() && left->claim(request.ticket, wake_reason::canceled);
  // [OC1] release: the last look at the frame; pairs with [OC2].
  state.pending.store(false, std::memory_order_release);
  if (cancel_now) [[unlikely]] {
    make_ready(*left);
  }
  if (other != nullptr) [[unlikely]] {
    make_ready(*other);
  }
}

wake_reason wait_as_thread(open_wait& request) {
  refuse_in_forked_child(nullptr);
  auto& self = static_cast<thread_block&>(request.owner);
  self.publish_open(request.ticket, false);
  waiter* const other = request.before_unlock != nullptr ? request.before_unlock(request.argument) : nullptr;
  for (spinlock* const lock : request.locks) {
    lock->unlock();
  }
  if (other != nullptr) {
    make_ready(*other);
  }
  if (!self.parker.park_until(request.deadline)) {
    if (self.claim(request.ticket, wake_reason::timeout)) {
      return wake_reason::timeout;
    }
    // A rival won at the last moment: its unpark is on its way and must not stay for the next wait.
    while (!self.parker.park_until(never)) {
    }
  }
  return self.outcome();
}

wake_reason wait(open_wait& request) { return wait_open(request); }

void await_commit(const atomic<bool>& pending) noexcept {
  // The winner came between two unlocks of the commit, which is a few instructions from its end unless its thread was
  // preempted. [OC2] acquire: pairs with [OC1].
  while (pending.load(std::memory_order_acquire)) {
    yield_thread();
  }
}

// --- the rest
// ---------------------------------------------------------------------------------------------------------

void sleep_until(nanos deadline) {
  cancellation_point();
  open_wait request(wait_kind::sleep);
  request.deadline = deadline;
  if (wait(request) == wake_reason::canceled) {
    throw canceled();
  }
}

void wait_for_ever() {
  // Nobody ever takes a node from this queue, apart from a canceller.
  static constinit spinlock lock{lock_rank::channel};
  static constinit wait_queue queue;
  cancellation_point();
  lock.lock();
  queue_wait request{queue, lock, wait_kind::forever, true};
  static_cast<void>(wait_exclusive(request));
  throw canceled();
}

nanos current_time() noexcept {
  const processor* const here = this_processor();
  return here != nullptr ? here->core().now() : steady_now();
}

}  // namespace csp::inline v0::detail
