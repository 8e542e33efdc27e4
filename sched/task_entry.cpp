#include "sched/task_entry.h"

#include "sched/base/fatal.h"
#include "sched/base/tls.h"
#include "sched/canceled.h"
#include "sched/hibernation.h"
#include "sched/join_state.h"
#include "sched/scheduler_core.h"
#include "sched/stack_usage.h"
#include "sched/switch_task.h"

#include <cxxabi.h>

#include <cstddef>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>

namespace csp::inline v0::detail {
namespace {

// An exception of a detached task has nobody to go to, but in a simulation.
void report_exception(const task& self) noexcept {
  const auto report = [&self](const char* what) {
    constexpr const char* text = "an exception left a detached task";
    if (simulator* const simulated = self.core->settings().simulated) {
      char description[256];
      describe_task(self, description, sizeof description);
      simulated->fail(std::string(text) + ": " + what + "; " + description);
      return;
    }
    fatal(text, what);
  };
  try {
    throw;
  } catch (const std::exception& error) {
    report(error.what());
  } catch (...) {
    const std::type_info* const type = abi::__cxa_current_exception_type();
    report(type != nullptr ? type->name() : "of unknown type");
  }
}

// Destructors of a task's own objects may wait; a cancellation that comes late must not make them throw.
template <class Function>
void shielded(task& self, Function&& function) noexcept {
  ++self.shields;
  function();
  --self.shields;
}

// Runs the callable of a task. Nothing leaves it.
void run_callable(task& self) noexcept {
  const task_operations& operations = *self.operations;
  void* const payload = self.payload();
  // Also when all are about to be cancelled: what has not started when the main task ends never starts.
  if (self.cancel_requested() || self.core->stopping()) [[unlikely]] {
    if (operations.joinable()) {
      static_cast<join_state*>(payload)->error = std::make_exception_ptr(canceled());
    }
    return;
  }
  try {
    operations.invoke(payload);
  } catch (const canceled&) {
    if (operations.joinable()) {
      static_cast<join_state*>(payload)->error = std::current_exception();
    }
  } catch (...) {
    if (operations.joinable()) {
      static_cast<join_state*>(payload)->error = std::current_exception();
    } else {
      report_exception(self);
    }
  }
}

// A task from beginning to end.
void run_body(task& self) noexcept {
  sanitizer::observe(&self);
  run_callable(self);
  if (self.shields != 0) {
    fatal("a csp::shield outlived its task");
  }
  if (auto* const destroy = self.operations->destroy) {
    shielded(self, [&] { destroy(self.payload()); });
  }
}

// The stack has been left for good; what still refers to the cell decides whether it is free.
CSP_ALWAYS_INLINE void leave_cell(processor& here, task& ended) noexcept {
  if (ended.operations->joinable()) {
    auto& join = *static_cast<join_state*>(ended.payload());
    if ((join.record(join_state::stack_left) & join_state::result_destroyed) == 0) {
      return;
    }
  }
  here.cells.give(&ended);
}

void record_depth(const task& ended, stack_block& block) noexcept {
  block.measured = false;
  const source_location site = ended.site.get();
  stack_usage_table::instance().record(site.file_name(), site.function_name(), site.line(), measure_stack(block));
}

void commit_end(processor& here, task* left, void*) noexcept {
  stack_block* const block = left->stack;
  check_stack_canary(*block);
  block->owner.store(nullptr, std::memory_order_relaxed);
  if (block->measured) [[unlikely]] {
    record_depth(*left, *block);
  }
  here.stacks.give(block);
  here.stacks.return_credit(left->stack_class);
  leave_cell(here, *left);
}

// What an ended task still does on its own stack: it wakes who joins it. Destroys the result if nobody can want it.
void settle(task& ended) noexcept {
  ended.generation.add(1);
  if (!ended.operations->joinable()) {
    return;
  }
  auto& join = *static_cast<join_state*>(ended.payload());
  join.end.finish();
  if ((join.record(join_state::ended) & join_state::handle_gone) != 0) {
    shielded(ended, [&ended, &join] { ended.operations->destroy_result(&join); });
    static_cast<void>(join.record(join_state::result_destroyed));
  }
}

// The stack of an ended task goes on hot to an unstarted one of the same class; false when `next` is not such a task,
// or wants memory of its own, or the ended one is to be measured. Like a switch, unseen by ThreadSanitizer: it looks at
// a task that is not its own.
CSP_NO_TSAN bool hand_on_stack(processor& here, task& ended, task& next) noexcept {
  stack_block* const block = ended.stack;
  if (next.stack_class != ended.stack_class || next.stack != nullptr || next.private_units != 0 || block->measured) {
    return false;
  }
  check_stack_canary(*block);
  next.stack = block;
  next.context.fiber = ended.context.fiber;
  next.context.resume_point.set(block);  // started; where to resume is stored when it parks
  block->owner.store(&next, std::memory_order_relaxed);
  set_control_word(here.control_word());
  switcher::replace(here, next);
  return true;
}

// Runs the task that the stack was bound for, and after it as many unstarted ones as come in line: no switch is needed.
// Returns when the next one to run has another stack; null: the root.
task* run_tasks(processor*& here) noexcept {
  for (;;) {
    task& self = *here->current();
    run_body(self);
    settle(self);
    here = this_processor();
    here->count.finished.add(1);
    task* const next = here->take_next();
    if (next == nullptr || next->context.resume_point.get() != nullptr) {
      return next;
    }
    if (!hand_on_stack(*here, self, *next)) {
      bind_stack(*here, *next);
      return next;
    }
    here->stacks.return_credit(self.stack_class);
    leave_cell(*here, self);
  }
}

// First function on every task stack. It never returns, so the sanitizers must not count its frame.
[[noreturn]] CSP_FIRST_FRAME void enter_task(csp_message message) noexcept {
  auto* here = static_cast<processor*>(message.here);
  switcher::arrive(message, here->current()->context);
  task* const next = run_tasks(here);
  switcher::leave(*here, here->current(), next, commit_end, nullptr, true);
  fatal("an ended task was resumed");
}

}  // namespace

CSP_NO_TSAN void bind_stack(processor& here, task& fresh) noexcept {
  if (fresh.stack_class == hibernating_stack_class && hibernation::instance().resume(fresh)) {
    return;
  }
  stack_block* const block = fresh.stack != nullptr ? fresh.stack : here.stacks.take(fresh.stack_class);
  fresh.stack = block;
  block->owner.store(&fresh, std::memory_order_relaxed);
  sanitizer::bind(fresh.context.fiber, block->fiber, block->usable_bottom(), block->usable_size());
  std::byte* top = static_cast<std::byte*>(block->usable_top);
  if (fresh.private_units != 0) [[unlikely]] {
    top -= private_bytes_of(fresh);
    const sanitizer::unseen writes;  // on behalf of the task
    std::memset(top, 0, private_bytes_of(fresh));
  }
  fresh.context.resume_point.set(
      make_stack_entry<&enter_task>(top, static_cast<std::size_t>(top - block->usable_bottom()), here.control_word()));
}

CSP_NO_TSAN task* processor::bind_while_locked(task& fresh) noexcept {
  if (fresh.stack == nullptr && stacks.has(fresh.stack_class)) {
    bind_stack(*this, fresh);
    return &fresh;
  }
  postponed_.set(&fresh);
  return nullptr;
}

void drop_handle(task& target) noexcept {
  auto& join = *static_cast<join_state*>(target.payload());
  if ((join.record(join_state::handle_gone) & join_state::ended) == 0) {
    return;
  }
  target.operations->destroy_result(&join);
  if ((join.record(join_state::result_destroyed) & join_state::stack_left) != 0) {
    recycle_cell(target);
  }
}

void recycle_cell(task& cell) noexcept {
  if (processor* const here = this_processor()) {
    here->cells.give(&cell);
    return;
  }
  task* only = &cell;
  sanitizer::publish(only);
  cell_arena::instance().give(&only, 1);
}

}  // namespace csp::inline v0::detail
