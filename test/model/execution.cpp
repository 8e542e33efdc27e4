// The threads of an execution, and which of them goes on. What the operations do is in apply.cpp.
#include "test/model/execution.h"

#include <boost/context/detail/fcontext.hpp>

#include <cstdio>
#include <cstdlib>

namespace model {
namespace {

namespace fcontext = boost::context::detail;

// The deepest frames are those of the report of a failure.
constexpr std::size_t stack_size = std::size_t{128} * 1024;
// Longer than any execution that makes progress; a mutant may turn for ever.
constexpr std::uint32_t most_steps = 2000;
// Slots for addresses: a power of two, several times the number of variables.
constexpr std::size_t slot_count = 2048;

void (*switch_hook)() = nullptr;

}  // namespace

execution::execution() : slots_(slot_count) {
  for (thread& each : threads_) {
    each.stack = std::make_unique<std::byte[]>(stack_size);
    each.seen.reserve(64);
  }
}

execution& the_execution() noexcept {
  static execution only;
  return only;
}

void set_on_switch(void (*hook)()) noexcept { switch_hook = hook; }
unsigned this_thread() noexcept { return the_execution().current() - 1; }
bool in_execution() noexcept { return the_execution().is_active(); }

execution::verdict execution::run(const scenario& what, search& path, const mutant_site* planted) {
  search_ = &path;
  scenario_ = &what;
  planted_ = planted;
  ++number_;
  memory_.reset();
  // What fences touch, by the numbers that footprint_of() knows.
  memory_.add_variable(0);
  memory_.add_variable(0);
  steps_.clear();
  sleepers_.clear();
  reason_.clear();
  failed_ = false;
  active_ = true;
  current_ = 0;
  count_ = what.threads;
  made_ = what.construct();
  search_->begin();

  // Each thread runs to its first operation.
  starting_ = true;
  for (unsigned i = 1; i <= count_; ++i) {
    thread& each = threads_[i];
    each.finished = each.asleep = each.delays = false;
    each.seen.clear();
    memory_.start_thread(i);
    each.context = fcontext::make_fcontext(each.stack.get() + stack_size, stack_size, [](fcontext::transfer_t arrived) {
      *static_cast<void**>(arrived.data) = arrived.fctx;
      the_execution().body();
    });
    switch_to(i);
    if (failed_) {
      break;
    }
  }
  starting_ = false;
  if (!failed_) {
    schedule();
  }
  if (!failed_) {
    for (unsigned i = 1; i <= count_; ++i) {
      memory_.join_thread(i);
    }
    what.finish(made_);
  }
  if (!failed_) {
    what.destroy(made_);
  }
  active_ = false;
  return failed_ ? verdict::failed : search_->is_redundant() ? verdict::redundant : verdict::passed;
}

void execution::body() noexcept {
  thread& self = threads_[current_];
  scenario_->run(made_, current_ - 1);
  flush_delayed(self);
  self.finished = true;
  if (starting_) {
    switch_to(0);
  }
  schedule();
  std::abort();  // nobody resumes a thread that has ended
}

// The context that is left goes into its own place as soon as the other one runs.
void execution::switch_to(unsigned next) noexcept {
  void** const left = current_ == 0 ? &main_context_ : &threads_[current_].context;
  void* const to = next == 0 ? main_context_ : threads_[next].context;
  current_ = next;
  if (switch_hook != nullptr) {
    switch_hook();
  }
  const fcontext::transfer_t arrived = fcontext::jump_fcontext(to, left);
  *static_cast<void**>(arrived.data) = arrived.fctx;
}

// Returns when it is the caller's turn; in thread 0 when all others have ended, or one has failed.
void execution::schedule() noexcept {
  if (starting_) {
    switch_to(0);
    return;
  }
  if (const unsigned repeated = search_->repeat_thread()) {
    if (repeated != current_) {
      switch_to(repeated);
    }
    return;
  }
  thread_set enabled = 0;
  bool all_finished = true;
  std::array<footprint, most_threads> pending{};
  for (unsigned i = 1; i <= count_; ++i) {
    const thread& each = threads_[i];
    if (each.finished) {
      continue;
    }
    all_finished = false;
    if (may_go(each)) {
      enabled |= thread_set{1} << i;
    }
    pending[i] = footprint_of(each);
  }
  unsigned next = 0;
  if (enabled != 0) {
    if (search_->length() >= most_steps) {
      fail("it does not come to an end");
      return;
    }
    next = search_->choose_thread(enabled, pending);
  } else if (!all_finished) {
    fail("deadlock: nobody can go on");
    return;
  }
  if (next != current_) {
    switch_to(next);
  }
}

void execution::fail(const std::string& text) noexcept {
  if (failed_) {
    return;
  }
  reason_ = text;
  failed_ = true;
  if (current_ != 0) {
    switch_to(0);  // for good
  }
}

void fail(const char* text) noexcept { the_execution().fail(text); }

bool execution::may_go(const thread& each) const noexcept {
  switch (each.pending.what) {
    case action::lock:
      return memory_.value_of(each.variable, memory_.newest(each.variable)) == 0;
    case action::futex_return:
      return !each.asleep || each.pending.timed;
    case action::yield:
      return each.seen.empty() || cause_of_end_of_yield(each, nullptr) != memory::no_event;
    default:
      return true;
  }
}

// The first store that the thread had not seen when it gave way.
std::uint32_t execution::cause_of_end_of_yield(const thread& each, seen_store* change) const noexcept {
  std::uint32_t first = memory::no_event;
  for (const seen_store& seen : each.seen) {
    if (memory_.newest(seen.variable) > seen.store) {
      const auto next = static_cast<std::uint16_t>(seen.store + 1);
      const std::uint32_t event = memory_.event_of(seen.variable, next);
      if (event < first) {
        first = event;
        if (change != nullptr) {
          *change = {seen.variable, next};
        }
      }
    }
  }
  return first;
}

footprint execution::footprint_of(const thread& each) const noexcept {
  constexpr unsigned fences = 0;
  constexpr unsigned asymmetric = 1;
  footprint made;
  switch (each.pending.what) {
    case action::load:
      made.add(each.variable, each.pending.success == order::sequential);
      break;
    case action::store:
    case action::exchange:
    case action::compare:
      made.add(each.variable, true);
      break;
    case action::fence:
      if (each.pending.success == order::sequential) {
        made.add(fences, true);
      }
      return made;
    case action::light_fence:
      made.add(asymmetric, false);
      return made;
    case action::heavy_fence:
      made.add(asymmetric, true);
      made.add(fences, true);
      return made;
    case action::lock:
      made.add(each.variable, true);
      made.what = footprint::kind::lock;
      return made;
    case action::unlock:
      made.add(each.variable, true);
      made.what = footprint::kind::unlock;
      return made;
    case action::futex_wait:
      made.add(each.variable, false);
      made.add(each.queue, true);
      return made;
    case action::futex_return:
      if (each.pending.timed) {
        made.add(each.queue, true);
      }
      return made;
    case action::futex_wake:
      made.add(each.queue, true);
      return made;
    case action::yield:
    case action::choose:
      return made;
  }
  if (each.pending.success == order::sequential) {
    made.add(fences, false);
  }
  return made;
}

execution::variable_slot& execution::slot_of(const void* address) noexcept {
  const auto number = reinterpret_cast<std::uintptr_t>(address);
  for (std::size_t at = (number * 0x9E3779B97F4A7C15U) >> 40;; ++at) {
    variable_slot& slot = slots_[at % slot_count];
    if (slot.execution == number_ && slot.address == address) {
      return slot;
    }
    if (slot.execution != number_) {
      slot = {};
      slot.address = address;
      slot.execution = number_;
      slot.alive = true;
      return slot;
    }
  }
}

void execution::begin_life(const void* address) noexcept {
  if (active_) {
    variable_slot& slot = slot_of(address);
    slot = {};
    slot.address = address;
    slot.execution = number_;
    slot.alive = true;
    slot.maker = current_;
    slot.made = memory_.clock(current_, current_);
  }
}

// A destruction is like a plain write: all uses must have happened before.
void execution::end_life(const void* address) noexcept {
  if (!active_ || current_ == 0) {
    return;
  }
  variable_slot& slot = slot_of(address);
  slot.alive = false;
  for (unsigned i = 1; i < most_threads; ++i) {
    if (slot.uses[i] > memory_.clock(current_, i)) {
      fail("an atomic variable ends its life while another thread may use it");
    }
  }
}

unsigned execution::variable_at(const void* address, std::uint64_t initial) noexcept {
  variable_slot& slot = slot_of(address);
  if (!slot.alive) {
    fail("an atomic variable is used after the end of its life");
  }
  if (slot.made > memory_.clock(current_, slot.maker)) {
    fail("an atomic variable is used before it is known to be constructed");
  }
  if (!slot.known) {
    slot.known = true;
    slot.variable = memory_.add_variable(initial);
  }
  slot.uses[current_] = memory_.clock(current_, current_);
  return slot.variable;
}

}  // namespace model
