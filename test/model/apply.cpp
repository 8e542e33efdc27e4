// What the operations of an execution do.
#include "test/model/execution.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace model {
namespace {

std::uint64_t mask_of(std::uint8_t size) noexcept {
  return size == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * size)) - 1;
}

std::uint64_t modified(const operation& how, std::uint64_t old) noexcept {
  switch (how.how) {
    case modification::assign:
      return how.operand;
    case modification::add:
      return (old + how.operand) & mask_of(how.size);
    case modification::subtract:
      return (old - how.operand) & mask_of(how.size);
    case modification::bit_or:
      return old | how.operand;
    case modification::bit_and:
      break;
  }
  return old & how.operand;
}

bool is_fence(action what) noexcept {
  return what == action::fence || what == action::light_fence || what == action::heavy_fence;
}

// A futex's queue is beside its word: no variable begins in the middle of one.
const void* queue_of(const void* word) noexcept { return static_cast<const char*>(word) + 1; }

}  // namespace

answer perform(const operation& wanted, std::uint64_t initial) noexcept {
  if (!in_execution()) {
    if (wanted.what != action::load && !is_fence(wanted.what)) {
      std::fprintf(stderr, "model: %s:%d changes an atomic variable outside an execution\n", wanted.where.file,
                   wanted.where.line);
      std::abort();
    }
    return {initial, true};
  }
  return the_execution().perform(wanted, initial);
}
void begin_life(const void* address) noexcept { the_execution().begin_life(address); }
void end_life(const void* address) noexcept { the_execution().end_life(address); }

unsigned choose(unsigned count) noexcept {
  operation wanted;
  wanted.what = action::choose;
  wanted.operand = count;
  return static_cast<unsigned>(perform(wanted, 0).value);
}

answer execution::perform(operation wanted, std::uint64_t initial) noexcept {
  if (current_ == 0) {
    event_ = memory::no_event;
    if (!is_fence(wanted.what)) {
      threads_[0].variable = variable_at(wanted.address, initial);
    }
    return apply(0, wanted);
  }
  if (planted_ != nullptr && planted_->matches(wanted)) {
    reached_ = true;
    return perform_mutated(wanted, initial);
  }
  const answer got = in_turn(wanted, initial);
  flush_delayed(threads_[current_]);
  return got;
}

answer execution::perform_mutated(operation wanted, std::uint64_t initial) noexcept {
  thread& self = threads_[current_];
  switch (planted_->what()) {
    case mistake::relax:
      if (is_fence(wanted.what)) {
        return {};
      }
      wanted.success = wanted.failure = order::relaxed;
      break;
    case mistake::omit:
      if (wanted.what != action::exchange) {
        return {};
      }
      wanted.what = action::load;
      break;
    case mistake::delay:
      flush_delayed(self);
      self.delays = true;
      self.delayed = wanted;
      self.delayed_initial = initial;
      return {};
    case mistake::tear: {
      const answer got = perform_torn(wanted, initial);
      flush_delayed(self);
      return got;
    }
  }
  const answer got = in_turn(wanted, initial);
  flush_delayed(self);
  return got;
}

answer execution::perform_torn(const operation& wanted, std::uint64_t initial) noexcept {
  operation first = wanted;
  first.what = action::load;
  answer got = in_turn(first, initial);
  operation second = wanted;
  second.what = action::store;
  if (wanted.what == action::exchange) {
    second.operand = modified(wanted, got.value);
  } else if (got.value != wanted.expected) {
    got.success = false;
    return got;
  }
  in_turn(second, initial);
  return got;
}

void execution::flush_delayed(thread& self) noexcept {
  if (self.delays) {
    self.delays = false;
    in_turn(self.delayed, self.delayed_initial);
  }
}

// Finds the variables of the pending operation.
void execution::locate(thread& self, std::uint64_t initial) noexcept {
  switch (self.pending.what) {
    case action::futex_wake:
      self.queue = variable_at(queue_of(self.pending.address), 0);
      break;
    case action::futex_wait:
    case action::futex_return:
      self.variable = variable_at(self.pending.address, initial);
      self.queue = variable_at(queue_of(self.pending.address), 0);
      break;
    case action::fence:
    case action::light_fence:
    case action::heavy_fence:
    case action::yield:
    case action::choose:
      break;
    default:
      self.variable = variable_at(self.pending.address, initial);
  }
}

// Waits for the thread's turn and does it.
answer execution::in_turn(const operation& wanted, std::uint64_t initial) noexcept {
  thread& self = threads_[current_];
  const unsigned me = current_;
  self.pending = wanted;
  locate(self, initial);
  schedule();
  locate(self, initial);  // its life may have ended meanwhile
  event_ = search_->length();
  age_ = 0;
  const footprint touched = footprint_of(self);
  std::uint32_t cause = memory::no_event;
  if (wanted.what == action::futex_return && !wanted.timed) {
    cause = self.woken_by;
  } else if (wanted.what == action::yield) {
    seen_store change{};
    cause = cause_of_end_of_yield(self, &change);
    if (cause != memory::no_event) {
      memory_.catch_up(me, change.variable, change.store);
    }
    self.seen.clear();
  }
  const answer got = apply(me, wanted);
  search_->note(me, touched, cause);
  steps_.push_back({me, wanted, self.variable, got, age_});
  return got;
}

answer execution::apply(unsigned who, const operation& wanted) noexcept {
  thread& self = threads_[who];
  const unsigned variable = self.variable;
  switch (wanted.what) {
    case action::load:
      return load(who, wanted, who != 0);
    case action::store:
      memory_.store(who, variable, wanted.operand, wanted.success, event_);
      return {wanted.operand, true};
    case action::exchange: {
      const std::uint64_t old = memory_.value_of(variable, memory_.newest(variable));
      memory_.modify(who, variable, modified(wanted, old), wanted.success, event_);
      self.seen.push_back({variable, memory_.newest(variable)});
      return {old, true};
    }
    case action::compare:
      return compare(who, wanted, who != 0);
    case action::fence:
      memory_.fence(who, wanted.success);
      return {};
    case action::light_fence:
      memory_.light_fence(who);
      return {};
    case action::heavy_fence:
      memory_.heavy_fence(who);
      return {};
    case action::lock:
      memory_.modify(who, variable, 1, order::acquire, event_);
      return {};
    case action::unlock:
      memory_.store(who, variable, 0, order::release, event_);
      return {};
    case action::futex_wait:
      return wait_on_futex(wanted);
    case action::futex_return: {
      const bool woken = !self.asleep;
      if (woken) {
        memory_.catch_up(who, variable, self.shown);
      }
      self.asleep = false;
      std::erase(sleepers_, who);
      return {0, woken};
    }
    case action::futex_wake:
      wake(wanted);
      return {};
    case action::choose:
      return {search_->choose_value(static_cast<unsigned>(wanted.operand)), true};
    case action::yield:
      break;
  }
  return {};
}

answer execution::load(unsigned who, const operation& wanted, bool may_be_old) noexcept {
  const unsigned variable = threads_[who].variable;
  const std::uint16_t newest = memory_.newest(variable);
  std::uint16_t chosen = newest;
  if (may_be_old && search_->in_past(who, memory_.event_of(variable, newest))) {
    const std::uint16_t oldest = memory_.oldest_for(who, variable, wanted.success);
    const unsigned choices = newest - oldest + 1U;
    chosen = static_cast<std::uint16_t>(newest - (choices > 1 ? search_->choose_value(choices) : 0));
  }
  memory_.load(who, variable, chosen, wanted.success);
  age_ = newest - chosen;
  threads_[who].seen.push_back({variable, chosen});
  return {memory_.value_of(variable, chosen), true};
}

// Succeeds on the newest store alone. A failure is a load, which may be an old one.
answer execution::compare(unsigned who, const operation& wanted, bool may_be_old) noexcept {
  const unsigned variable = threads_[who].variable;
  const std::uint16_t newest = memory_.newest(variable);
  std::array<std::uint16_t, 64> candidates{};
  unsigned count = 1;
  candidates[0] = newest;
  if (may_be_old && search_->in_past(who, memory_.event_of(variable, newest))) {
    const std::uint16_t oldest = memory_.oldest_for(who, variable, wanted.failure);
    for (unsigned at = newest; at-- > oldest && count < candidates.size();) {
      if (memory_.value_of(variable, static_cast<std::uint16_t>(at)) != wanted.expected) {
        candidates[count++] = static_cast<std::uint16_t>(at);
      }
    }
  }
  const std::uint16_t chosen = candidates[count > 1 ? search_->choose_value(count) : 0];
  const std::uint64_t found = memory_.value_of(variable, chosen);
  if (found == wanted.expected) {
    memory_.modify(who, variable, wanted.operand, wanted.success, event_);
    return {found, true};
  }
  memory_.load(who, variable, chosen, wanted.failure);
  age_ = newest - chosen;
  threads_[who].seen.push_back({variable, chosen});
  return {found, false};
}

// The kernel looks at the word under the lock of the queue, so that it sees what came before any wake that it missed.
// What it saw the thread cannot see older afterwards, and neither what whoever woke it saw.
answer execution::wait_on_futex(const operation& wanted) noexcept {
  thread& self = threads_[current_];
  const std::uint16_t newest = memory_.newest(self.variable);
  memory_.catch_up(current_, self.variable, newest);
  const bool sleeps = memory_.value_of(self.variable, newest) == wanted.expected;
  if (sleeps) {
    self.asleep = true;
    sleepers_.push_back(current_);
  }
  return {0, sleeps};
}

void execution::wake(const operation& wanted) noexcept {
  std::uint64_t left = wanted.operand;
  const unsigned queue = threads_[current_].queue;
  for (std::size_t at = 0; at < sleepers_.size() && left != 0;) {
    thread& sleeper = threads_[sleepers_[at]];
    if (sleeper.queue != queue) {
      ++at;
      continue;
    }
    sleeper.asleep = false;
    sleeper.woken_by = event_;
    sleeper.shown = memory_.oldest_for(current_, sleeper.variable, order::relaxed);
    sleepers_.erase(sleepers_.begin() + static_cast<std::ptrdiff_t>(at));
    --left;
  }
}

}  // namespace model
