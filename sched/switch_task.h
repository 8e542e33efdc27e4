// What a running task does to give its processor to another one. Inlined into the few functions that park.
//
// A stack switch leaves the core's return predictor with the returns of the stack that was left, so every return on the
// way back up to the user's frame is mispredicted, 5 to 10 ns each. Hence the paths that switch most, an exclusive wait
// and a yield, are inlined into the user's code down to the jump itself.
#pragma once

#include "sched/base/tls.h"
#include "sched/switch.h"
#include "sched/task_entry.h"

namespace csp::inline v0::detail {

CSP_ALWAYS_INLINE task* processor::running() const noexcept {
  task* const self = current();
  if (self == nullptr) {
    __builtin_unreachable();
  }
  return self;
}

CSP_ALWAYS_INLINE task* processor::take_own() noexcept {
  task* const item = local_.pop(true);
  return item != nullptr ? item : refill();
}

CSP_ALWAYS_INLINE task* processor::take_next() noexcept {
  if (chores_are_due()) [[unlikely]] {
    return nullptr;
  }
  if (inbox_.size() != 0) [[unlikely]] {
    return take_in_turn(true);
  }
  task* const item = take_own();
  if (item != nullptr) {
    sanitizer::observe(item);  // who takes from a queue knows what the one who pushed did
  }
  return item;
}

CSP_ALWAYS_INLINE void processor::park(commit_function commit, void* argument) noexcept {
  task* const self = running();
  task* next = take_next();
  if (next != nullptr && next->context.resume_point.get() == nullptr) [[unlikely]] {
    next = bind_while_locked(*next);
  }
  switcher::leave(*this, self, next, commit, argument, false);
  // The edge from whoever made this task ready.
  sanitizer::observe(self);
}

CSP_ALWAYS_INLINE bool processor::step_aside(std::size_t places) noexcept {
  task* const self = current();
  // A pinned task never lies where thieves look. In a simulation the root's turn has always come.
  if (chores_are_due() || self == nullptr || self->home != nullptr) {
    return false;
  }
  if (const std::uint32_t refusals = refused_steps_.get(); refusals != 0) [[unlikely]] {
    refused_steps_.set(refusals - 1);
    return false;
  }
  task* const next = local_.exchange_next(nullptr);
  if (next == nullptr) {
    return false;
  }
  sanitizer::observe(next);
  if (next->context.resume_point.get() == nullptr) [[unlikely]] {
    bind_stack(*this, *next);
  }
  const processor& here =
      switcher::leave(*this, self, next, &processor::commit_aside, reinterpret_cast<void*>(places), false);
  sanitizer::observe(self);
  if (&here != this) [[unlikely]] {
    refuse_steps();
  }
  return true;
}

CSP_ALWAYS_INLINE processor::turn processor::begin_turn(const task& self) noexcept {
  if (chores_are_due() || self.home != nullptr) [[unlikely]] {
    return {};
  }
  bool goes_to_ring = false;
  if (other_lines_.load(std::memory_order_relaxed)) {
    goes_to_ring = !local_is_last();
    if (inbox_.size() != 0 || overflow_.size() != 0 || (goes_to_ring && !ring_.has_room())) [[unlikely]] {
      return {};
    }
  }
  task* const next = local_.begin_turn();
  if (next == nullptr) [[unlikely]] {
    return {};
  }
  sanitizer::observe(next);
  commit_function commit = &processor::commit_turn;
  if (goes_to_ring) {
    local_.end_turn();
    commit = &processor::commit_to_ring;
  }
  if (next->context.resume_point.get() == nullptr) [[unlikely]] {
    if (!goes_to_ring) {
      local_.end_turn();
      commit = &processor::commit_yielded;
    }
    bind_stack(*this, *next);
  }
  return {next, commit};
}

CSP_ALWAYS_INLINE void processor::yield(task& self) noexcept {
  turn to = begin_turn(self);
  if (to.next == nullptr) [[unlikely]] {
    to = {take_next(), &processor::commit_yielded};
    if (to.next == nullptr && !chores_are_due()) {
      bring_chores_forward();
      return;
    }
    if (to.next != nullptr && to.next->context.resume_point.get() == nullptr) {
      bind_stack(*this, *to.next);
    }
  }
  switcher::leave(*this, &self, to.next, to.commit, nullptr, false);
  sanitizer::observe(&self);
}

/// processor::step_aside() of the calling thread's processor; false in a plain thread.
CSP_ALWAYS_INLINE bool step_aside(std::size_t places) noexcept {
  processor* const here = this_processor();
  return here != nullptr && here->step_aside(places);
}

/// That brought the calling task, which is none of a plain thread, nothing.
CSP_ALWAYS_INLINE void note_vain_step() noexcept { this_processor()->refuse_steps(); }

}  // namespace csp::inline v0::detail
