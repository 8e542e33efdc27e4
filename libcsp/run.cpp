#include <libcsp/run.h>

#include "sched/base/os_thread.h"
#include "sched/base/tls.h"
#include "sched/processor_count.h"
#include "sched/scheduler_core.h"
#include "sched/stack_class.h"

#include <stdexcept>
#include <string>

namespace csp::inline v0 {
namespace {

detail::core_settings checked(const options& wanted) {
  detail::core_settings result;
  result.processors = wanted.processors != 0 ? wanted.processors : detail::default_processor_count();
  if (result.processors > detail::most_processors_asked) {
    throw std::invalid_argument("csp: options::processors is " + std::to_string(result.processors) + "; the limit is " +
                                std::to_string(detail::most_processors_asked));
  }
  constexpr unsigned most_spares = detail::scheduler_core::most_processors - detail::most_processors_asked;
  if (wanted.spares > most_spares) {
    throw std::invalid_argument("csp: options::spares is " + std::to_string(wanted.spares) + "; the limit is " +
                                std::to_string(most_spares));
  }
  result.spares = wanted.spares;
  const std::size_t stack = wanted.stack_size != 0 ? wanted.stack_size : detail::default_stack_size();
  const auto stack_class = detail::stack_class_for(stack);
  if (!stack_class) {
    throw std::invalid_argument("csp: options::stack_size is " + std::to_string(stack) + "; the limit is 8 MiB");
  }
  result.stack_class = wanted.stacks.is_custom() ? detail::custom_stack_class : *stack_class;
  result.stack_size = stack;
  result.stacks = wanted.stacks;
  if (wanted.grace.count() < 0) {
    throw std::invalid_argument("csp: options::grace is negative");
  }
  result.grace = detail::to_nanos(wanted.grace);
  if (wanted.hibernate_after.count() < 1) {
    throw std::invalid_argument("csp: options::hibernate_after is less than a millisecond");
  }
  result.hibernate_after = detail::to_nanos(wanted.hibernate_after);
  result.abort_when_stuck = wanted.stuck == on_stuck::abort;
  result.seed = wanted.seed != 0 ? wanted.seed : static_cast<std::uint64_t>(detail::steady_now());
  result.clock = &detail::steady_source();
  return result;
}

void require_plain_thread(const char* operation) {
  if (detail::this_processor() != nullptr) {
    throw std::logic_error(std::string("csp::") + operation + " was called inside a task; it is for plain threads");
  }
}

}  // namespace

namespace detail {

run_session::run_session(const options& wanted) : core_(nullptr) {
  require_plain_thread("run");
  const core_settings settings = checked(wanted);
  scheduler_core& core = scheduler_core::acquire();
  try {
    core.start(settings);
  } catch (...) {
    scheduler_core::release(core);
    throw;
  }
  core_ = &core;
  static_cast<void>(set_default_core(core));
}

run_session::~run_session() {
  clear_default_core(*core_);
  core_->stop();
  scheduler_core::release(*core_);
}

void run_session::execute(void (*body)(void* argument) noexcept, void* argument, source_location site) {
  std::atomic<bool> done{false};
  spawn_detached(*core_, {"main", 0, false, site}, [this, body, argument, &done] {
    body(argument);
    // The core outlives this frame's owner, who may go on as soon as `done` is set.
    scheduler_core& core = *core_;
    core.note_main_ended();
    // release: pairs with the acquire of the watch; the result is visible to the caller.
    done.store(true, std::memory_order_release);
    core.monitor().wake();
  });
  {
    // Not longer: while the core stops it holds off deadlock reports itself, and then this thread may do anything.
    const own_thread_mark waiting;
    core_->watch_until(done);
  }
  clear_default_core(*core_);
  core_->stop();
}

}  // namespace detail

// --- scheduler
// ----------------------------------------------------------------------------------------------------------

scheduler::scheduler(const options& wanted)
    : wanted_(wanted), processors_(checked(wanted).processors), core_(&detail::scheduler_core::acquire()) {}

scheduler::~scheduler() {
  core_->stop();
  detail::scheduler_core::release(*core_);
}

void scheduler::start() {
  require_plain_thread("scheduler::start");
  if (core_->running()) {
    return;
  }
  const detail::core_settings settings = checked(wanted_);
  core_->start(settings);
  try {
    core_->start_monitor_thread();
  } catch (...) {
    core_->stop();
    throw;
  }
  processors_ = settings.processors;
}

void scheduler::drain() {
  require_plain_thread("scheduler::drain");
  if (core_->running()) {
    core_->drain();
  }
}

void scheduler::stop() {
  require_plain_thread("scheduler::stop");
  core_->stop();
}

unsigned scheduler::processors() const noexcept { return processors_; }

statistics scheduler::stats() const {
  const detail::core_statistics sum = core_->statistics();
  return {sum.spawned, sum.finished, sum.switches, sum.steals, sum.processors, sum.sleeps};
}

}  // namespace csp::inline v0
