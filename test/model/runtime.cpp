#include "test/model/runtime.h"

#include "sched/base/fatal.h"
#include "sched/base/tls.h"
#include "sched/scheduler_core.h"
#include "sched/switch_task.h"

#include "test/model/model.h"

#include <array>
#include <cerrno>
#include <cstdlib>

namespace model {
namespace {

std::array<csp::detail::processor*, most_threads> processors;
std::array<csp::detail::thread_block*, most_threads> blocks;

void commit_nothing(csp::detail::processor&, csp::detail::task*, void*) noexcept {}

void switch_to_only_task(lone_processor& here) noexcept {
  csp::detail::switcher::leave(here, nullptr, here.only, commit_nothing, nullptr, false);
}

// The root, from the arrival out of its task to the switch back.
void run_root(lone_processor& here) noexcept {
  csp::detail::context root;
  csp::detail::switcher::arrive({nullptr, static_cast<csp::detail::processor*>(&here)}, root);
  while (here.ready.load(std::memory_order_acquire) == 0) {
    static_cast<void>(csp::detail::futex_wait_until(here.ready, 0, csp::detail::never));
  }
  here.ready.store(0, std::memory_order_relaxed);
  switch_to_only_task(here);
}

// What is thread-local in the shipped code follows the scenario's threads; thread 0 has nothing.
void follow_thread() noexcept {
  const unsigned next = this_thread() + 1;
  csp::detail::set_this_processor(next == 0 || !in_execution() ? nullptr : processors[next]);
}

}  // namespace

lone_task::lone_task() noexcept {
  set_on_switch(follow_thread);
  processors.fill(nullptr);
  self.home = &here;
  here.only = &self;
  self.generation.set(1);
}

void lone_task::enter() noexcept {
  processors[this_thread() + 1] = &here;
  follow_thread();
  switch_to_only_task(here);
}

void use_thread_block(csp::detail::thread_block& block) noexcept { blocks[this_thread() + 1] = &block; }

}  // namespace model

// The jump. To a task, the thread just goes on.
extern "C" csp_transfer csp_switch_stack(void*, void* argument) {
  auto& here = static_cast<model::lone_processor&>(*static_cast<csp::detail::processor*>(argument));
  if (here.current() == nullptr) {
    model::run_root(here);
  }
  return {nullptr, argument};
}

// What the shipped sources reach beyond those that a scenario is linked with.
namespace csp::inline v0::detail {

processor::processor() noexcept {
  static relaxed<std::uint32_t> time;
  static exception_globals nothing_thrown;
  idle_.self = this;
  coarse_time_ = &time;
  exceptions_ = &nothing_thrown;
  errno_ = &errno;
}

void processor::deliver(task& pinned) noexcept {
  auto& here = static_cast<model::lone_processor&>(*this);
  model::check(&pinned == here.only, "a task is made ready that is not there");
  model::check(here.ready.exchange(1, std::memory_order_release) == 0, "a task is made ready twice");
  futex_wake(&here.ready, 1);
}

void processor::ready(task&) noexcept { model::fail("a task with a home was not taken there"); }
task* processor::refill() noexcept { return nullptr; }
void processor::commit_yielded(processor&, task*, void*) noexcept {}
void bind_stack(processor&, task&) noexcept { model::fail("a task without a stack"); }
void scheduler_core::wake_one() noexcept { model::fail("a task with a home was not taken there"); }

thread_block& this_thread_block() { return *model::blocks[model::this_thread() + 1]; }

void fatal(const char* message) noexcept {
  model::fail(message);
  std::abort();
}

nanos steady_now() noexcept { return 0; }

}  // namespace csp::inline v0::detail
