// What is in line at a processor: how tasks come into its queues, and in which order they leave them.
//
// By age: local queue, ring, overflow list. A task that is made ready goes to `next` and runs before all of them; so
// that it and those that it makes ready in turn cannot keep the others out, each round of chores takes the oldest.
#include "sched/base/fatal.h"
#include "sched/base/tls.h"
#include "sched/scheduler_core.h"
#include "sched/switch_task.h"

namespace csp::inline v0::detail {
namespace {

/// How many tasks move at once from the ring, the overflow list or the injector to the local queue, which holds so
/// many.
constexpr std::uint32_t refill_batch = local_queue<task>::capacity;
/// One refill in so many starts tasks of the fresh list though others are in line.
constexpr std::uint32_t refills_a_fresh_one = 8;
/// At one round of chores in so many, which is one switch in 512, an old task of that list starts: each may hold a
/// stack for as long as a whole tree of newer ones takes.
constexpr std::uint32_t chores_an_aged_one = 16;

/// What a task needs first when its turn comes is brought into the caches: its block, the begin of its payload, the
/// timer that its wait may have armed, and its link in a list.
void bring_block_close(task& item) noexcept {
  constexpr std::size_t lines = 4;
  const auto* const block = reinterpret_cast<const char*>(&item);
  for (std::size_t line = 0; line < lines; ++line) {
    __builtin_prefetch(block + line * cache_line);
  }
  __builtin_prefetch(&item.alarm);
  __builtin_prefetch(&item.queue_next);
}

/// And the top of its stack, where the saved registers and the frames of its wait lie.
void bring_stack_close(const task& item) noexcept {
  const sanitizer::unseen glance;  // ahead of the turn in which the task becomes ours
  constexpr std::ptrdiff_t lines_of_stack = 10;
  const char* const stack_top = static_cast<const char*>(item.context.resume_point.get());
  for (std::ptrdiff_t line = 0; line < lines_of_stack; ++line) {
    __builtin_prefetch(stack_top + line * static_cast<std::ptrdiff_t>(cache_line));
  }
}

/// For a task that is now in line for its turn; not for one that has no stack yet, as it has just been written.
/// `delivered`: between two turns of a task that the poller has made ready, the kernel has run for all the others and
/// taken the caches. Tasks that only take turns with each other find what they need in the second level, the more the
/// less is brought in vain: all but what a switch itself needs is left there.
void bring_close(task& item, bool delivered) noexcept {
  const sanitizer::unseen glance;
  const char* const stack_top = static_cast<const char*>(item.context.resume_point.get());
  if (stack_top == nullptr) {
    return;
  }
  if (delivered) {
    bring_block_close(item);
    bring_stack_close(item);
    return;
  }
  __builtin_prefetch(&item.exceptions);
  __builtin_prefetch(stack_top);
  __builtin_prefetch(stack_top + cache_line);
  __builtin_prefetch(stack_top + 2 * cache_line);
}

}  // namespace

CSP_ALWAYS_INLINE bool processor::push_local(task& item) noexcept { return local_is_last() && local_.push(&item); }

// The order of the three is the order of age: local before ring before overflow. Tasks that have not started and find
// no place have an order of their own.
CSP_ALWAYS_INLINE void processor::push_in_order(task& item) noexcept {
  if (overflow_.size() != 0) [[unlikely]] {
    push_behind_ring(item);
    return;
  }
  if (ring_is_passed_by() && local_.push(&item)) {
    return;
  }
  if (!ring_.push(&item)) [[unlikely]] {
    push_behind_ring(item);
    return;
  }
  note_other_lines();
}

void processor::push_back(task& item) noexcept { push_in_order(item); }

void processor::push_behind_ring(task& item) noexcept {
  if (item.stack == nullptr) {
    fresh_.push(&item, current());
    return;
  }
  overflow_.push(&item);
  note_other_lines();
}

void processor::settle_other_lines() noexcept {
  if (!other_lines_.load(std::memory_order_relaxed) || has_other_lines()) {
    return;
  }
  other_lines_.store(false, std::memory_order_relaxed);
  // Pairs with [OL1]: a push by another thread is seen below, or its note comes after ours.
  full_fence();
  if (has_other_lines()) {
    note_other_lines();
  }
}

std::uint32_t processor::refill_limit() const noexcept {
  if (is_open_to_thieves()) {
    return 1;
  }
  if (!timers_are_late_.get()) {
    return refill_batch;
  }
  // Room for timers: a quarter of the turns is left to those in line, or one in sixteen if the first has not started.
  // Such ones have waited for nothing yet, and the more of them start, the later all will be.
  bool started = overflow_.size() != 0;
  ring_.glance(1, [&](const task* item) {
    const sanitizer::unseen glance;
    started = item->context.resume_point.get() != nullptr;
  });
  return started ? refill_batch / 2 : 1;
}

task* processor::refill() noexcept {
  task* items[refill_batch];
  const std::uint32_t limit = refill_limit();
  std::uint32_t taken = 0;
  if (fresh_.size() != 0 && ++refills_ % refills_a_fresh_one == 0) {
    taken = fresh_.pop(items, limit);
  }
  if (taken == 0) {
    taken = ring_.pop(items, limit);
  }
  if (taken == 0) {
    taken = overflow_.pop(items, limit);
  }
  if (taken == 0) {
    taken = fresh_.pop(items, limit);
  }
  const bool delivered = count.switches.get() < delivered_until_.get();
  for (std::uint32_t i = 0; i < taken; ++i) {
    bring_close(*items[i], delivered);
  }
  // Where their stacks are is asked when they come here: then that is close, too.
  ring_.glance(refill_batch, [](const task* item) { __builtin_prefetch(&item->context); });
  if (taken > 1) {
    local_.fill(items + 1, taken - 1);  // it was empty, and only the owner appends to it
  }
  return taken != 0 ? items[0] : nullptr;
}

void processor::ready(task& woken) noexcept {
  // Its turn is often next, and where thousands take turns its stack and payload have left the caches.
  const char* const stack_top = static_cast<const char*>(woken.context.resume_point.get());
  __builtin_prefetch(stack_top);
  __builtin_prefetch(stack_top + cache_line);
  __builtin_prefetch(&woken.exceptions);
  if (current_.get() == nullptr) {
    ready_from_root(woken);
  } else if (is_open_to_thieves()) [[unlikely]] {
    push_for_others(woken);
  } else if (task* const displaced = local_.exchange_next(&woken)) {
    push_for_others(*displaced);
  }
}

void processor::push_for_others(task& item) noexcept {
  push_in_order(item);
  core().notify_from_processor(*this);
}

void processor::ready_from_root(task& woken) noexcept {
  // The frames of its wait and of who called that; it has slept for long.
  const char* const stack_top = static_cast<const char*>(woken.context.resume_point.get());
  __builtin_prefetch(stack_top + 2 * cache_line);
  __builtin_prefetch(stack_top + 3 * cache_line);
  __builtin_prefetch(stack_top + 4 * cache_line);
  __builtin_prefetch(stack_top + 5 * cache_line);
  __builtin_prefetch(stack_top + 6 * cache_line);
  if (delivering_) {
    push_back(woken);
    return;
  }
  // Timers that are due: in their order, before tasks that are ready anyway. The running loop takes them; one that is
  // all there is, at once. Not when the loop is about to sleep or to end.
  const bool alone = !sleeping.get() && !retire_requested.get() && !has_work_in_line();
  if (!local_.insert(&woken)) {
    push_back(woken);
  }
  if (!alone) {
    core().notify_from_processor(*this);
  }
}

void processor::end_delivery(bool many) noexcept {
  delivering_ = false;
  delivered_until_.set(count.switches.get() + local_.fifo_size() + ring_.size() + overflow_.size() + inbox_.size());
  if (many) {
    core().notify_from_processor(*this);
  }
}

void processor::submit(task& fresh) noexcept {
  processor* const home = fresh.home;
  sanitizer::publish(&fresh);
  if (home != nullptr || core().idle.needs_wake()) [[unlikely]] {
    submit_otherwise(fresh, home);
  } else if (task* const displaced = local_.exchange_next(&fresh)) {
    push_for_others(*displaced);
  } else {
    core().notify_from_processor(*this);
  }
}

// To its home, or to where a sleeper looks that is about to be woken.
void processor::submit_otherwise(task& fresh, processor* home) noexcept {
  if (home != nullptr) {
    home->deliver(fresh);
    return;
  }
  // Who is woken for this very task takes it from the ring at once, if we have not come to it before; from `next` it
  // would have to wait until it is plain that we compute. The glance that led here decides on the place only.
  if (overflow_.size() == 0 && ring_.push(&fresh)) {
    note_other_lines();
  } else if (task* const displaced = local_.exchange_next(&fresh)) {
    push_back(*displaced);
  }
  core().notify_from_processor(*this);
}

void processor::deliver(task& pinned) noexcept {
  inbox_.push(&pinned);
  note_other_lines();
  if (this_processor() != this) {
    // Pairs with the fence in sleep(): the sleeper sees the inbox, or the parker keeps the token.
    full_fence();
    if (sleeping.get()) {
      wake();
    }
  }
}

std::uint32_t processor::steal_from(task** items, std::uint32_t limit, bool impatient) noexcept {
  if (ring_.size() != 0) {
    if (const std::uint32_t taken = ring_.steal(items, limit)) {
      return taken;
    }
  }
  if (overflow_.size() != 0) {
    if (const std::uint32_t taken = overflow_.pop(items, limit)) {
      return taken;
    }
  }
  // The oldest: of a tree the largest parts.
  if (const std::uint32_t taken = fresh_.pop_aged(items, limit)) {
    return taken;
  }
  return impatient && local_.has_items() ? local_.steal(items) : 0;
}

bool processor::has_work_in_line() const noexcept {
  return has_stealable_work() || inbox_.size() != 0 || local_.has_items();
}

bool processor::has_work(nanos now) const noexcept { return has_work_in_line() || timers.earliest() <= now; }

void processor::commit_yielded(processor& here, task* left, void*) noexcept {
  processor* const home = left->home;
  sanitizer::publish(left);
  if (home != nullptr) [[unlikely]] {
    home->push_pinned(*left);
  } else if (!here.push_local(*left)) {
    here.push_back(*left);
  }
}

void processor::commit_turn(processor& here, task* left, void*) noexcept {
  sanitizer::publish(left);
  here.local_.end_turn(left);
}

void processor::commit_to_ring(processor& here, task* left, void*) noexcept {
  sanitizer::publish(left);
  static_cast<void>(here.ring_.push(left));  // there was room for it (run_queue::has_room)
}

void processor::push_pinned(task& pinned) noexcept {
  inbox_.push(&pinned);
  note_other_lines();
}

void processor::commit_aside(processor& here, task* left, void* places) noexcept {
  sanitizer::publish(left);
  // So few in line are most likely those that the same task has made ready before, each at one of its places.
  if (here.local_.fifo_size() < reinterpret_cast<std::uintptr_t>(places) && here.push_local(*left)) {
    return;
  }
  if (task* const displaced = here.local_.exchange_next(left)) {
    here.push_back(*displaced);
  }
}

task* processor::take_shared() noexcept {
  task* items[refill_batch];
  std::uint32_t taken = core().ready_outside.pop(items, refill_batch);
  if (taken == 0) {
    taken = core().injected.pop(items, refill_batch);
  }
  for (std::uint32_t i = 1; i < taken; ++i) {
    push_back(*items[i]);
  }
  if (taken > 1) {
    core().notify_from_processor(*this);
  }
  return taken != 0 ? items[0] : nullptr;
}

task* processor::take_pinned() noexcept {
  std::array<task*, 2> following{};
  task* const item = inbox_.pop(following);
  // Only we take from here, so they stay. The block of a task tells where its stack is, so it must be close before.
  if (following[1] != nullptr) {
    bring_block_close(*following[1]);
  }
  if (following[0] != nullptr) {
    bring_stack_close(*following[0]);
  }
  return item;
}

task* processor::take_oldest() noexcept {
  // Not pop() alone: while there is always a task in `next`, it would never come to the ring.
  task* item = local_.fifo_size() == 0 && has_stealable_work() ? refill() : nullptr;
  item = item != nullptr ? item : local_.pop(false);
  return item != nullptr ? item : refill();
}

task* processor::take_in_turn(bool newest_first) noexcept {
  pinned_turn_.set(!pinned_turn_.get());
  task* item = pinned_turn_.get() ? take_pinned() : nullptr;
  item = item != nullptr ? item : newest_first ? take_own() : take_oldest();
  item = item != nullptr ? item : take_pinned();
  if (item != nullptr) {
    sanitizer::observe(item);  // who takes from a queue knows what the one who pushed did
    // What was done to take it, its links read for one, comes before what others do to it after its next wait.
    sanitizer::publish(item);
  }
  return item;
}

task* processor::take_aged() noexcept {
  task* item = nullptr;
  const bool due = fresh_.size() != 0 && ++aged_turn_ % chores_an_aged_one == 0;
  return due && fresh_.pop_aged(&item, 1) != 0 ? item : nullptr;
}

void processor::give_up_tasks() noexcept {
  while (take_pinned() != nullptr || take_own() != nullptr || take_shared() != nullptr) {
  }
  timers.clear();
}

}  // namespace csp::inline v0::detail
