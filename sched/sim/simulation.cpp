#include "sched/sim/simulation.h"

#include "sched/base/tls.h"
#include "sched/cell_arena.h"
#include "sched/inspect.h"
#include "sched/spawn.h"
#include "sched/stack_arena.h"
#include "sched/switch_task.h"

#include <algorithm>
#include <utility>

namespace csp::inline v0::detail {
namespace {

constexpr nanos millisecond = 1'000'000;
/// Steps in which cancelled tasks have to end: first all but the main task, then that.
constexpr std::uint64_t steps_to_unwind = 100'000;

}  // namespace

simulation::simulation(const simulation_settings& settings, chooser& choices)
    : settings_(settings), choices_(choices), core_(scheduler_core::acquire()) {
  core_settings wanted;
  wanted.processors = settings.processors;
  wanted.stack_class = settings.stack_class;
  wanted.seed = settings.seed;
  wanted.clock = this;
  wanted.own_threads = false;
  wanted.simulated = this;
  if (settings.verbose) {
    trace_.be_verbose();
  }
  try {
    core_.start(wanted);
  } catch (...) {
    scheduler_core::release(core_);
    throw;
  }
  asleep_.assign(settings.processors, false);
  woken_.assign(settings.processors, false);
  for (unsigned at = 0; at < settings.processors; ++at) {
    core_.at(at).enter_thread();
    static_cast<void>(core_.at(at).sleeper().take_token());  // of the last stop
    set_this_processor(nullptr);
  }
  saved_exceptions_ = std::exchange(*core_.at(0).thread_exceptions(), exception_globals{});
}

simulation::~simulation() {
  *core_.at(0).thread_exceptions() = saved_exceptions_;
  for (unsigned at = 0; at < settings_.processors; ++at) {
    set_this_processor(&core_.at(at));
    if (asleep_[at]) {
      core_.at(at).end_sleep();
    }
    core_.at(at).leave_thread();
  }
  core_.stop();
  scheduler_core::release(core_);
}

simulation_outcome simulation::run(void (*body)(void* argument) noexcept, void* argument, source_location site) {
  spawn_detached(core_, {"main", 0, false, site}, [this, body, argument] {
    main_ = this_processor()->current();
    body(argument);
    main_ = nullptr;
    main_ended_ = true;
  });
  drive();
  judge_rest();
  simulation_outcome result{failure_, steps_, trace_.hash(), now_ - start_time};
  unwind();
  return result;
}

void simulation::drive() {
  while (failure_.empty()) {
    if (steps_ >= settings_.most_steps) {
      fail("no end after " + std::to_string(steps_) + " steps\n" + format_tasks(&core_));
    } else if (!step_one()) {
      if (main_ended_) {
        return;
      }
      if (!pass_time()) {
        fail("deadlock: all tasks are asleep and nothing can wake them\n" + format_tasks(&core_));
      }
    }
  }
}

bool simulation::step_one() {
  able_.clear();
  for (unsigned at = 0; at < settings_.processors; ++at) {
    if (is_able(at)) {
      able_.push_back(at);
    }
  }
  if (able_.empty()) {
    return false;
  }
  last_ = choices_.next_processor(able_, last_);
  step(last_);
  return true;
}

bool simulation::is_able(unsigned at) {
  processor& self = core_.at(at);
  if (!asleep_[at] || woken_[at]) {
    return true;
  }
  woken_[at] = self.sleeper().take_token();
  return woken_[at] || self.timers.earliest() <= now_;
}

void simulation::step(unsigned at) {
  ++steps_;
  processor& self = core_.at(at);
  set_this_processor(&self);
  if (asleep_[at]) {
    asleep_[at] = woken_[at] = false;
    self.end_sleep();
    trace_.note(trace::event::woke, {at});
  }
  const std::uint64_t before = self.count.finished.get();
  if (self.step() == processor::step_result::ran) {
    note_run(self, before);
  } else if (self.begin_sleep()) {
    asleep_[at] = true;
    trace_.note(trace::event::slept, {at});
  } else {
    self.end_sleep();
  }
  set_this_processor(nullptr);
}

void simulation::note_run(const processor& self, std::uint64_t before) {
  // Every switch goes through the root, so what ran is what was left last.
  const task& ran = *self.last_left();
  const bool ended = self.count.finished.get() != before;
  const wait_kind waits_for = ran.waits_for.get();
  trace_.note(trace::event::ran, {self.index(), ran.id.get(), ended ? 1U : 0U, static_cast<std::uint64_t>(waits_for)});
  if (trace_.is_verbose()) {
    char text[256];
    describe_task(ran, text, sizeof text);
    trace_.print("step " + std::to_string(steps_) + ", processor " + std::to_string(self.index()) + ": " + text +
                 (ended                          ? ", ended"
                  : waits_for == wait_kind::none ? ", others come first"
                                                 : std::string(", waits: ") + detail::describe(waits_for)));
  }
}

bool simulation::pass_time() {
  nanos due = never;
  for (unsigned at = 0; at < settings_.processors; ++at) {
    due = std::min(due, core_.at(at).timers.earliest());
  }
  if (due == never) {
    return false;
  }
  now_ = std::max(now_, due);
  const nanos elapsed = now_ - start_time;
  core_.monitor().set_ticks(static_cast<std::uint32_t>(elapsed / millisecond));
  trace_.note(trace::event::time, {static_cast<std::uint64_t>(elapsed)});
  trace_.print("time passes: " + std::to_string(elapsed) + " ns since the start");
  return true;
}

void simulation::interleave(processor& here) noexcept {
  // A task that unwinds an exception may wait, and so it may let others in.
  if (!choices_.preempts()) {
    return;
  }
  task& self = *here.current();
  trace_.note(trace::event::preempted, {here.index(), self.id.get()});
  processor* const home = self.home;
  self.home = &here;
  here.yield(*here.running());
  self.home = home;
}

void simulation::fail(std::string what) noexcept {
  if (!failure_.empty() || unwinding_) {
    return;
  }
  trace_.note(trace::event::failed, {});
  failure_ = std::move(what);
  trace_.print("failure: " + failure_);
}

// --- the end
// ----------------------------------------------------------------------------------------------------------

void simulation::judge_rest() {
  if (!failure_.empty()) {
    return;
  }
  if (!core_.all_ended()) {
    fail("the main task has ended and left these behind:\n" + format_tasks(&core_));
  }
  if (timer* const events = network_events(); events != nullptr && events->heap != nullptr) {
    static_cast<void>(events->heap->disarm(*events));
  }
  for (unsigned at = 0; at < settings_.processors; ++at) {
    if (core_.at(at).timers.earliest() != never) {
      fail("the main task has ended and left a timer armed (a csp::ticker that was not destroyed?)");
    }
  }
}

void simulation::unwind() {
  choices_.be_quiet();
  unwinding_ = true;
  if (!core_.all_ended()) {
    trace_.print("what is left is cancelled");
  }
  if (main_ != nullptr) {
    core_.cancel_all(main_);
    step_until_living(1, main_);
  }
  core_.cancel_all();
  step_until_living(0, nullptr);
  if (!core_.all_ended()) {
    give_up_tasks();
  }
}

void simulation::step_until_living(std::uint64_t tasks, const task* spared) {
  const std::uint64_t limit = steps_ + steps_to_unwind;
  do {
    while (core_.living() > tasks && steps_ < limit && (step_one() || pass_time())) {
    }
  } while (core_.living() > tasks && steps_ < limit && end_lock_waits(spared));
}

bool simulation::end_lock_waits(const task* spared) {
  bool any = false;
  cell_arena::instance().for_each_live([&](task& subject, std::uint32_t) {
    if (subject.listed_core.get() == &core_ && &subject != spared && subject.waits_for.get() == wait_kind::mutex &&
        subject.force_wait()) {
      any = true;
      make_ready(subject);
    }
  });
  return any;
}

void simulation::give_up_tasks() {
  cell_arena::instance().for_each_live([this](task& subject, std::uint32_t) {
    if (subject.listed_core.get() == &core_) {
      subject.listed_core.set(nullptr);
      sanitizer::keep_reachable(&subject, sizeof(task));
      if (subject.stack != nullptr) {
        sanitizer::keep_reachable(subject.stack->usable_bottom(), subject.stack->usable_size());
      }
    }
  });
  // The processors serve other schedulers later, which must not run what is in line here.
  for (unsigned at = 0; at < settings_.processors; ++at) {
    set_this_processor(&core_.at(at));
    core_.at(at).give_up_tasks();
    set_this_processor(nullptr);
  }
}

}  // namespace csp::inline v0::detail
