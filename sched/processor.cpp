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

/// Ids a processor takes from its core at once.
constexpr std::uint32_t id_block = 1024;

/// By how much a sleep may be late that others might end with: less would make each of many timers a wake of its own.
constexpr unsigned long timer_slack = 5'000;

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
  observed_.assign(scheduler_core::most_processors, observation{});
  loot_ = 0;
  robbed_ = 0;
  pinned_turn_.set(false);
  refills_ = 0;
  aged_turn_ = 0;
  woken_by_.set(0);
  retire_requested.set(false);
  searching_ = false;
  search_time_ = longest_search;
  chores_at_.set(simulated ? 1 : switches_between_chores);
  open_until_.set(0);
  other_lines_.store(true, std::memory_order_relaxed);
  refused_steps_.set(0);
  // A clock that somebody injected goes as it likes.
  soon_.reset(core.settings().clock != &steady_source() || !cycles_measure_time());
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
  control_word_ = detail::control_word();
  sanitizer::adopt_thread(root_.fiber);
  sanitizer::create(committer_);
  sanitizer::thread_private(&exceptions_, sizeof(void*));  // set again when a spare's slot is used again
  sanitizer::thread_private(&errno_, sizeof errno_);
  sanitizer::thread_private(&control_word_, sizeof control_word_);
  sanitizer::thread_private(&stacks, sizeof stacks);
  sanitizer::thread_private(&cells, sizeof cells);
  sanitizer::thread_private(&random, sizeof random);
  sanitizer::thread_private(&ids_next_, sizeof ids_next_);
  sanitizer::thread_private(&ids_end_, sizeof ids_end_);
  sanitizer::thread_private(&fight_, sizeof fight_);
  sanitizer::thread_private(&robbed_, sizeof robbed_);
  sanitizer::thread_private(&loot_, sizeof loot_);
  sanitizer::thread_private(&robbed_at_, sizeof robbed_at_);
  sanitizer::thread_private(&robbed_operations_, sizeof robbed_operations_);
  sanitizer::thread_private(&refills_, sizeof refills_);
  sanitizer::thread_private(observed_.data(), observed_.size() * sizeof(observation));
  thread_clock_.set(this_thread_cpu_clock());
  thread_number_.set(this_thread_number());
  slack_before_ = is_simulated() ? 0 : set_timer_slack(timer_slack);
  set_this_processor(this);
}

void processor::leave_thread() noexcept {
  quit_search();
  stacks.flush();
  cells.flush();
  sanitizer::destroy(committer_);
  if (slack_before_ != 0) {
    set_timer_slack(slack_before_);
  }
  set_this_processor(nullptr);
}

nanos processor::now() const noexcept { return core().now(); }

void processor::fetch_ids() noexcept {
  ids_next_ = core().next_id_block(id_block);
  ids_end_ = ids_next_ + id_block;
}

std::uint32_t processor::fire_timers(timer_heap& heap, nanos now, std::uint32_t limit) noexcept {
  // No more than the local queue has room for: the heap keeps the rest in their order, and the next refill leaves room.
  // But one at least where no refill comes, as tasks that yield take turns in that queue; it goes to the end of the
  // line.
  const std::uint32_t least = ring_.size() == 0 ? 1 : 0;
  const std::uint32_t room = std::max(local_queue<task>::capacity - local_.fifo_size(), least);
  const std::uint32_t fired = heap.fire_due(now, std::min(limit, room));
  timers_fired_ += fired;
  return fired;
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
  const bool behind = count.switches.get() < delivered_until_.get();
  return now - source->last_look() >= (behind ? poll_interval_behind : poll_interval) && source->poll(this, now) != 0;
}

void processor::do_chores() noexcept {
  refuse_in_forked_child(last_left_.get());
  // With timers that are soon due, or file descriptors watched, the clock is read more often.
  bool soon = poll_now_and_then() || poller_in_use() != nullptr;
  bool late = false;
  if (timers.earliest() != never) {
    const nanos now = core().now();
    const nanos round = now - timers_seen_.get();
    timers_seen_.set(now);
    static_cast<void>(fire_timers(timers, now, most_timers_a_round));
    late = timers.earliest() <= now;
    soon = soon || timers.earliest() - now < rounds_ahead * round;
  }
  timers_are_late_.set(late);
  // In a simulation each switch goes through the root, where the simulator decides what comes next.
  const std::uint64_t rest = is_simulated() ? 1
                             : late         ? most_timers_a_round + 1
                             : soon         ? switches_between_clocks
                                            : switches_between_chores;
  chores_at_.set(count.switches.get() + rest);
  settle_other_lines();
  if (task* const outside = take_shared()) {
    push_back(*outside);
  }
}

task* processor::choose() noexcept {
  const bool chores = chores_are_due();
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
    if (task* const item = take_own()) {
      return item;
    }
  }
  return take_shared();
}

processor::step_result processor::step() noexcept {
  task* item = postponed_.get();
  if (item != nullptr) {
    postponed_.set(nullptr);
  } else {
    item = choose();
  }
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
