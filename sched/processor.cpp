#include "sched/processor.h"

#include "sched/base/fatal.h"
#include "sched/base/os_thread.h"
#include "sched/base/tls.h"
#include "sched/fork.h"
#include "sched/scheduler_core.h"
#include "sched/switch_task.h"

#include <algorithm>

#include <cxxabi.h>

namespace csp::inline v0::detail {
namespace {

/// How many tasks move at once from the ring, the overflow list or the injector to the local queue.
constexpr std::uint32_t refill_batch = 16;
/// One refill in so many starts tasks of the fresh list though others are in line.
constexpr std::uint32_t refills_a_fresh_one = 8;
/// At one round of chores in so many, which is one switch in 512, an old task of that list starts: each may hold a
/// stack for as long as a whole tree of newer ones takes.
constexpr std::uint32_t chores_an_aged_one = 16;
/// Ids a processor takes from its core at once.
constexpr std::uint32_t id_block = 1024;

void commit_nothing(processor&, task*, void*) noexcept {}

}  // namespace

processor::processor() noexcept { idle_.self = this; }

void processor::assign(scheduler_core& core, unsigned index, std::uint64_t seed, bool spare) {
  core_.set(&core);
  coarse_time_ = &core.monitor().ticks_counter();
  index_.set(index);
  const bool simulated = core.settings().simulated != nullptr;
  signature_.set((core.number() * signatures_a_core + index + spinlock::anonymous + 1) |
                 (simulated ? simulated_mark : 0));
  fight_ = {};
  shared_operations_.set(0);
  spare_.set(spare);
  random = random_source(seed);
  observed_.assign(scheduler_core::most_processors, observation{.gain = most_gain});
  loot_ = 0;
  robbed_ = 0;
  pinned_turn_.set(false);
  refills_ = 0;
  aged_turn_ = 0;
  retire_requested.set(false);
  searching_ = false;
  search_time_ = longest_search;
  budget_.set(simulated ? 1 : switches_between_chores);
  open_until_.set(0);
  count.spawned.set(0);
  count.finished.set(0);
  count.switches.set(0);
  count.steals.set(0);
  count.sleeps.set(0);
  held_.set(0);
  ids_next_ = ids_end_ = 0;
}

void processor::enter_thread() {
  require(this_processor() == nullptr, "this thread drives a processor already");
  exceptions_ = reinterpret_cast<exception_globals*>(abi::__cxa_get_globals());
  errno_ = &errno;
  sanitizer::adopt_thread(root_.fiber);
  sanitizer::create(committer_);
  sanitizer::thread_private(&exceptions_, sizeof(void*));  // set again when a spare's slot is used again
  sanitizer::thread_private(&errno_, sizeof errno_);
  sanitizer::thread_private(&stacks, sizeof stacks);
  sanitizer::thread_private(&cells, sizeof cells);
  sanitizer::thread_private(&random, sizeof random);
  sanitizer::thread_private(&ids_next_, sizeof ids_next_);
  sanitizer::thread_private(&ids_end_, sizeof ids_end_);
  sanitizer::thread_private(&fight_, sizeof fight_);
  sanitizer::thread_private(&robbed_, sizeof robbed_);
  sanitizer::thread_private(&loot_, sizeof loot_);
  sanitizer::thread_private(&refills_, sizeof refills_);
  sanitizer::thread_private(observed_.data(), observed_.size() * sizeof(observation));
  thread_clock_.set(this_thread_cpu_clock());
  thread_number_.set(this_thread_number());
  set_this_processor(this);
}

void processor::leave_thread() noexcept {
  quit_search();
  stacks.flush();
  cells.flush();
  sanitizer::destroy(committer_);
  set_this_processor(nullptr);
}

std::uint64_t processor::next_id() noexcept {
  if (ids_next_ == ids_end_) [[unlikely]] {
    ids_next_ = core().next_id_block(id_block);
    ids_end_ = ids_next_ + id_block;
  }
  return ids_next_++;
}

namespace {

/// What a task needs first when its turn comes is brought into the caches: its block and the begin of its payload.
void bring_block_close(task& item) noexcept {
  const auto* const block = reinterpret_cast<const char*>(&item);
  for (std::size_t at = 0; at < payload_offset + cache_line; at += cache_line) {
    __builtin_prefetch(block + at);
  }
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

/// Both, but for a task that has no stack yet: it has just been written.
void bring_close(task& item) noexcept {
  const sanitizer::unseen glance;
  if (item.context.resume_point.get() != nullptr) {
    bring_block_close(item);
    bring_stack_close(item);
  }
}

}  // namespace

// --- queues ---------------------------------------------------------------------------------------------------------

void processor::push_back(task& item) noexcept {
  // The order of the three is the order of age: local before ring before overflow. Tasks that have not started and find
  // no place have an order of their own.
  if (overflow_.size() == 0) [[likely]] {
    if (ring_.size() == 0 && !is_open_to_thieves() && local_.push(&item)) {
      return;
    }
    if (ring_.push(&item)) {
      return;
    }
  }
  if (item.stack == nullptr) {
    fresh_.push(&item, current());
  } else {
    overflow_.push(&item);
  }
}

task* processor::refill() noexcept {
  task* items[refill_batch];
  const std::uint32_t limit = is_open_to_thieves() ? 1 : refill_batch;
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
  for (std::uint32_t i = 0; i < taken; ++i) {
    bring_close(*items[i]);
    // The FIFO was empty and only the owner appends to it.
    require(i == 0 || local_.push(items[i]), "the local queue is full after it was found empty");
  }
  return taken != 0 ? items[0] : nullptr;
}

void processor::ready(task& woken) noexcept {
  // Its turn is often next, and where thousands take turns its stack has left the caches.
  const char* const stack_top = static_cast<const char*>(woken.context.resume_point.get());
  __builtin_prefetch(stack_top);
  __builtin_prefetch(stack_top + cache_line);
  if (current_.get() == nullptr) {
    __builtin_prefetch(stack_top + 2 * cache_line);
    __builtin_prefetch(stack_top + 4 * cache_line);
    __builtin_prefetch(stack_top + 6 * cache_line);
    if (delivering_) {
      push_back(woken);
      return;
    }
    // Timers that are due: in their order, before tasks that are ready anyway. The running loop takes them; one that is
    // all there is, at once. Not when the loop is about to sleep or to end: a deadlock's handler wakes tasks from
    // there.
    const bool alone = !sleeping.get() && !retire_requested.get() && !has_work_in_line();
    if (!local_.insert(&woken)) {
      push_back(woken);
    }
    if (!alone) {
      core().notify_from_processor();
    }
    return;
  }
  if (is_open_to_thieves()) [[unlikely]] {
    push_back(woken);
    core().notify_from_processor();
    return;
  }
  if (task* const displaced = local_.exchange_next(&woken)) {
    push_back(*displaced);
    core().notify_from_processor();
  }
}

void processor::end_delivery(bool many) noexcept {
  delivering_ = false;
  delivered_until_ = count.switches.get() + local_.fifo_size() + ring_.size() + overflow_.size() + inbox_.size();
  if (many) {
    core().notify_from_processor();
  }
}

void processor::submit(task& fresh) noexcept {
  processor* const home = fresh.home;
  sanitizer::publish(&fresh);
  if (home != nullptr) {
    home->deliver(fresh);
    return;
  }
  // Who is woken for this very task takes it from the ring at once, if we have not come to it before; from `next` it
  // would have to wait until it is plain that we compute. The glance decides on the place only.
  const bool wakes = core().idle.needs_wake();
  if (!wakes || overflow_.size() != 0 || !ring_.push(&fresh)) [[likely]] {
    if (task* const displaced = local_.exchange_next(&fresh)) {
      push_back(*displaced);
    }
  }
  core().notify_from_processor();
}

void processor::deliver(task& pinned) noexcept {
  inbox_.push(&pinned);
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

// --- on a task's stack
// ------------------------------------------------------------------------------------------------

void processor::commit_yielded(processor& here, task* left, void*) noexcept {
  processor* const home = left->home;
  sanitizer::publish(left);
  if (home != nullptr) {
    home->inbox_.push(left);
  } else {
    here.push_back(*left);
  }
}

// --- the loop
// ---------------------------------------------------------------------------------------------------------

std::uint32_t processor::fire_timers(timer_heap& heap, nanos now, std::uint32_t limit) noexcept {
  // No more than the local queue has room for: the heap keeps the rest in their order.
  const std::uint32_t room = local_queue<task>::capacity - local_.fifo_size();
  return heap.fire_due(now, limit < room ? limit : room);
}

poller* processor::poller_in_use() const noexcept {
  poller* const source = core().io();
  return source != nullptr && source->in_use() ? source : nullptr;
}

bool processor::poll_now_and_then() noexcept {
  poller* const source = poller_in_use();
  if (source == nullptr || source->is_claimed()) {
    return false;
  }
  const nanos now = core().now();
  const bool behind = count.switches.get() < delivered_until_;
  return now - source->last_look() >= (behind ? poll_interval_behind : poll_interval) && source->poll(this, now) != 0;
}

void processor::do_chores() noexcept {
  refuse_in_forked_child(left_.get());
  // With timers armed, or file descriptors watched, the clock is read more often.
  const bool polls = poll_now_and_then() || poller_in_use() != nullptr;
  // In a simulation each switch goes through the root, where the simulator decides what comes next.
  budget_.set(is_simulated()                         ? 1
              : timers.earliest() == never && !polls ? switches_between_chores
                                                     : switches_between_clocks);
  if (timers.earliest() != never) {
    // Few at a time: half of the turns stay with tasks that are ready anyway.
    static_cast<void>(fire_timers(timers, core().now(), switches_between_clocks / 2));
  }
  if (task* const outside = take_shared()) {
    push_back(*outside);
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
    core().notify_from_processor();
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

task* processor::take_in_turn(bool newest_first) noexcept {
  pinned_turn_.set(!pinned_turn_.get());
  task* item = pinned_turn_.get() ? take_pinned() : nullptr;
  item = item != nullptr ? item : take_own(newest_first);
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

task* processor::choose() noexcept {
  const bool chores = budget_.get() <= 0;
  if (chores) {
    do_chores();
    if (task* const item = take_aged()) {
      return item;
    }
  }
  const bool newest_first = is_simulated() ? core().settings().simulated->prefers_newest() : !chores;
  if (task* const item = take_in_turn(newest_first)) {
    return item;
  }
  if (timers.earliest() != never && fire_timers(timers, core().now(), local_queue<task>::capacity) != 0) {
    if (task* const item = take_own(true)) {
      return item;
    }
  }
  return take_shared();
}

void processor::give_up_tasks() noexcept {
  while (take_pinned() != nullptr || take_own(true) != nullptr || take_shared() != nullptr) {
  }
  timers.clear();
}

processor::step_result processor::step() noexcept {
  task* item = choose();
  if (item == nullptr) {
    item = search();
    if (item == nullptr) {
      return step_result::idle;
    }
  } else {
    quit_search();  // woken as a searcher, and there was something of our own
  }
  sanitizer::observe(item);
  if (item->context.resume_point.get() == nullptr) {
    bind_stack(*this, *item);
  }
  // What was done to take it, its links read for one, comes before what others do to it after its next wait.
  sanitizer::publish(item);
  switcher::leave(*this, nullptr, item, commit_nothing, nullptr, false);
  return step_result::ran;
}

void processor::run_loop() noexcept {
  while (!core().halted()) {
    if (step() == step_result::idle) {
      if (may_retire()) {
        quit_search();
        core().note_retired();
        core().note_idle();  // we may have been the last one at work
        break;
      }
      sleep();
    }
  }
}

bool processor::may_retire() const noexcept {
  return retire_requested.get() && timers.earliest() == never && inbox_.size() == 0 && held_.get() == 0;
}

void processor::quit_search() noexcept {
  if (searching_) {
    searching_ = false;
    if (core().idle.end_search()) {
      core().pass_on_search(*this);
    }
  }
}

void processor::interleave() noexcept {
  if (current() != nullptr) {
    core().settings().simulated->interleave(*this);
  }
}

}  // namespace csp::inline v0::detail
