#include "test/model/runtime.h"

#include "sched/base/fatal.h"
#include "sched/base/tls.h"
#include "sched/fork.h"
#include "sched/scheduler_core.h"
#include "sched/stack_custom.h"
#include "sched/stack_overflow.h"
#include "sched/stack_usage.h"
#include "sched/switch_task.h"

#include "test/model/model.h"

#include <array>
#include <cerrno>
#include <cstdlib>

namespace model {
namespace {

std::array<csp::detail::processor*, most_threads> processors;
std::array<csp::detail::thread_block*, most_threads> blocks;

void switch_to_only_task(lone_processor& here) noexcept {
  csp::detail::switcher::leave(here, nullptr, here.only, commit_nothing, nullptr, false);
}

constexpr std::uint32_t wait_begun = 1;
constexpr std::uint32_t no_wait = 2;

void hand_to_root(lone_processor& here, std::uint32_t what) noexcept {
  here.handed.store(what, std::memory_order_release);
  csp::detail::futex_wake(&here.handed, 1);
}

std::uint32_t await(csp::detail::atomic<std::uint32_t>& word) noexcept {
  for (;;) {
    if (const std::uint32_t value = word.load(std::memory_order_acquire); value != 0) {
      return value;
    }
    static_cast<void>(csp::detail::futex_wait_until(word, 0, csp::detail::never));
  }
}

void run_commit(lone_processor& here) noexcept {
  csp::detail::context root;
  csp::detail::switcher::arrive(here.message, root);
}

// What is thread-local in the shipped code follows the scenario's threads; thread 0 has nothing.
void follow_thread() noexcept {
  const unsigned next = this_thread() + 1;
  csp::detail::set_this_processor(next == 0 || !in_execution() ? nullptr : processors[next]);
}

}  // namespace

void commit_nothing(csp::detail::processor&, csp::detail::task*, void*) noexcept {}

lone_task::lone_task() noexcept {
  set_on_switch(follow_thread);
  processors.fill(nullptr);
  self.home = &here;
  here.only = there.only = &self;
  self.generation.set(1);
}

void lone_task::enter() noexcept {
  processors[this_thread() + 1] = &here;
  follow_thread();
  switch_to_only_task(here);
}

void lone_task::enter_beside_root() noexcept {
  here.next = &there;
  enter();
}

void lone_task::dismiss_root() noexcept {
  if (here.handed.load(std::memory_order_relaxed) == 0) {
    hand_to_root(here, no_wait);
  }
}

void lone_task::be_root() noexcept {
  processors[this_thread() + 1] = &here;
  follow_thread();
  if (await(here.handed) == wait_begun) {
    run_commit(here);
  }
}

// The task has left its stack: the commit, and then the task again, when it is ready.
lone_processor& pass_root(lone_processor& here) noexcept {
  here.left.set(here.left.get() + 1);
  if (here.next != nullptr) {
    hand_to_root(here, wait_begun);
  } else {
    run_commit(here);
  }
  await(here.ready);
  here.ready.store(0, std::memory_order_relaxed);
  here.left.set(here.left.get() + 1);
  lone_processor& onward = here.next != nullptr ? *here.next : here;
  processors[this_thread() + 1] = &onward;
  follow_thread();
  switch_to_only_task(onward);
  return onward;
}

void use_thread_block(csp::detail::thread_block& block) noexcept { blocks[this_thread() + 1] = &block; }

}  // namespace model

// The jump. To a task, the thread just goes on.
extern "C" csp_transfer csp_switch_stack(void*, void* argument) {
  const csp_message& message = static_cast<const csp::detail::departure*>(argument)->message;
  auto& here = static_cast<model::lone_processor&>(*static_cast<csp::detail::processor*>(message.here));
  if (here.current() != nullptr) {
    return {nullptr, argument};
  }
  here.message = message;
  return {nullptr, &model::pass_root(here).from_root};
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
  static_cast<void>(here.left.get());
  model::check(here.ready.exchange(1, std::memory_order_release) == 0, "a task is made ready twice");
  futex_wake(&here.ready, 1);
}

void processor::ready(task&) noexcept { model::fail("a task with a home was not taken there"); }
task* processor::refill() noexcept { return nullptr; }
task* processor::take_in_turn(bool) noexcept { return nullptr; }
void processor::commit_yielded(processor&, task*, void*) noexcept {}
void bind_stack(processor&, task&) noexcept { model::fail("a task without a stack"); }
task* processor::bind_while_locked(task&) noexcept {
  model::fail("a task without a stack");
  return nullptr;
}
void scheduler_core::notify_from_outside() noexcept { model::fail("a task with a home was not taken there"); }

void processor::interleave() noexcept {}
void refuse_in_forked_child(const task*) noexcept {}
bool prepare_stack_measurement(const stack_block&) noexcept { return false; }
void release_custom_stack(stack_block*) noexcept { model::fail("a custom stack that nobody asked for"); }
void die_of_broken_canary(const stack_block&) noexcept {
  model::fail("a canary");
  std::abort();
}

thread_block& this_thread_block() { return *model::blocks[model::this_thread() + 1]; }

void fatal(const char* message) noexcept {
  model::fail(message);
  std::abort();
}

nanos steady_now() noexcept { return 0; }

}  // namespace csp::inline v0::detail
