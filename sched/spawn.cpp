// Making tasks: cell, credit and identity, from a task's processor or from a plain thread.

#include "sched/base/fatal.h"
#include "sched/base/tls.h"
#include "sched/fork.h"
#include "sched/hibernation.h"
#include "sched/scheduler_core.h"
#include "sched/stack_custom.h"
#include "sched/stack_usage.h"
#include "sched/task_entry.h"

#include <memory>
#include <stdexcept>
#include <string>

namespace csp::inline v0::detail {
namespace {

// Takes a credit and a cell, or nothing.
CSP_ALWAYS_INLINE task& take_cell(stack_pool& stacks, cell_pool& cells, unsigned stack_class) {
  stacks.take_credit(stack_class);  // never refused to who has a stack of its own
  try {
    return *cells.take();
  } catch (...) {
    stacks.return_credit(stack_class);
    throw;
  }
}

// A stack that does not come from the pools, until a task has it.
struct custom_stack_release {
  void operator()(stack_block* block) const noexcept { release_custom_stack(block); }
};
using custom_stack = std::unique_ptr<stack_block, custom_stack_release>;

// What `options` ask for of a stack of so many bytes.
void check_private_bytes(const spawn_options& options, std::size_t stack) {
  if (options.private_bytes > stack / 4) {
    throw std::invalid_argument("csp: " + std::to_string(options.private_bytes) +
                                " private bytes are too many for a stack of " + std::to_string(stack) +
                                " bytes; the limit is a quarter");
  }
}

}  // namespace

unsigned scheduler_core::choose_stack_class(const spawn_options& options) const {
  const stack_source& source = options.stacks.empty() ? settings_.stacks : options.stacks;
  const std::size_t size = options.stack_size == 0 ? settings_.stack_size : options.stack_size;
  if (options.hibernates && (options.measured_stack || options.stacks.is_custom())) {
    throw std::invalid_argument(
        "csp: a task that hibernates can have neither stacks from elsewhere nor a measured one");
  }
  const bool hibernates = options.hibernates && hibernation::available();
  if (source.is_custom() && !hibernates) {
    check_private_bytes(options, size);
    return custom_stack_class;
  }
  const auto chosen = stack_class_for(size);
  if (!chosen) {
    throw std::invalid_argument("csp: a task's stack of " + std::to_string(size) +
                                " bytes is too large; the limit is 8 MiB");
  }
  const unsigned stack_class = options.measured_stack ? stack_usage_table::instance().choose_class(
                                                            options.site.file_name(), options.site.line(), *chosen)
                                                      : *chosen;
  check_private_bytes(options, stack_class_size(stack_class));
  return hibernates ? hibernating_stack_class : stack_class;
}

stack_block* scheduler_core::make_own_stack(const spawn_options& options, unsigned stack_class) const {
  const stack_source source = stack_class == hibernating_stack_class ? stack_source(hibernation::instance())
                              : options.stacks.empty()               ? settings_.stacks
                                                                     : options.stacks;
  return make_custom_stack(source, options.stack_size == 0 ? settings_.stack_size : options.stack_size);
}

// What a task is when it has not started. `site` and the others as in spawn_options.
CSP_ALWAYS_INLINE void scheduler_core::initialize(task& fresh, std::uint8_t stack_class, std::uint64_t id,
                                                  processor* home, source_location site, std::string_view name,
                                                  std::size_t private_bytes) noexcept {
  fresh.context.resume_point.set(nullptr);
  fresh.private_units = static_cast<std::uint16_t>((private_bytes + 15) / 16);
  fresh.core = this;
  fresh.home = home;
  fresh.exceptions = exception_globals{};
  fresh.saved_errno = 0;
  fresh.stack_class = stack_class;
  fresh.shields = 0;
  fresh.waits_for.set(wait_kind::none);
  fresh.id.set(id);
  fresh.site.set(site);
  fresh.listed_core.set(this);
  if (name.empty()) [[likely]] {
    fresh.name[0].set(0);
  } else {
    fresh.set_name(name);
  }
  const std::uint32_t generation = fresh.generation.get() + 1;
  fresh.generation.set(generation);
  // Pairs with the heavy fence in cancel_all(): the task is listed there, or sees that the scheduler stops.
  asymmetric_fence::light();
  if (stopping()) [[unlikely]] {
    refuse_in_forked_child(&fresh);
    request_cancel(fresh, generation);
  }
}

CSP_ALWAYS_INLINE processor* scheduler_core::running_processor() const noexcept {
  processor* const here = this_processor();
  return here != nullptr && &here->core() == this && here->current() != nullptr ? here : nullptr;
}

task& scheduler_core::allocate(source_location site) {
  processor* const here = running_processor();
  const unsigned stack_class = settings_.stack_class;
  if (here == nullptr || stack_class >= custom_stack_class) [[unlikely]] {
    return allocate(spawn_options{{}, 0, false, site});
  }
  task& fresh = take_cell(here->stacks, here->cells, stack_class);
  here->count.spawned.add(1);
  initialize(fresh, static_cast<std::uint8_t>(stack_class), here->next_id(), nullptr, site, {}, 0);
  fresh.stack = nullptr;
  return fresh;
}

task& scheduler_core::allocate(const spawn_options& options) {
  const auto wanted_class = [&]() -> unsigned {
    return options.usual_stack() ? settings_.stack_class : choose_stack_class(options);
  };
  const auto own_stack = [&](unsigned stack_class) {
    return custom_stack(stack_class >= custom_stack_class ? make_own_stack(options, stack_class) : nullptr);
  };
  if (processor* const here = running_processor()) {
    const unsigned stack_class = wanted_class();
    custom_stack own = own_stack(stack_class);
    task& fresh = take_cell(here->stacks, here->cells, stack_class);
    here->count.spawned.add(1);
    processor* const home = !options.pinned ? nullptr : here->is_spare() ? &next_home() : here;
    initialize(fresh, static_cast<std::uint8_t>(stack_class), here->next_id(), home, options.site, options.name,
               options.private_bytes);
    fresh.stack = own.release();
    return fresh;
  }
  refuse_in_forked_child(nullptr);
  const std::lock_guard guard(outside_);
  if (!outside_open_) {
    throw std::logic_error("csp: a task was spawned on a scheduler that does not run");
  }
  const unsigned stack_class = wanted_class();  // the settings may only be read while it runs
  custom_stack own = own_stack(stack_class);
  task& fresh = take_cell(outside_stacks_, outside_cells_, stack_class);
  outside_spawned_.add(1);
  initialize(fresh, static_cast<std::uint8_t>(stack_class), next_id_block(1), options.pinned ? &next_home() : nullptr,
             options.site, options.name, options.private_bytes);
  fresh.stack = own.release();
  return fresh;
}

processor& scheduler_core::next_home() noexcept {
  return at(homes_.fetch_add(1, std::memory_order_relaxed) % settings_.processors);
}

void scheduler_core::submit(task& fresh) {
  if (processor* const here = running_processor()) [[likely]] {
    if (here->is_simulated()) [[unlikely]] {
      fresh.host = here->current()->host;
      here->submit(fresh);
      here->interleave();
      return;
    }
    here->submit(fresh);
    return;
  }
  processor* const home = fresh.home;
  sanitizer::publish(&fresh);
  if (home != nullptr) {
    home->deliver(fresh);
    return;
  }
  injected.push(fresh);
  notify_from_outside();
}

void scheduler_core::abandon(task& fresh) noexcept {
  fresh.generation.add(1);
  if (fresh.stack != nullptr) {
    release_custom_stack(fresh.stack);
  }
  if (processor* const here = running_processor()) {
    here->stacks.return_credit(fresh.stack_class);
    here->cells.give(&fresh);
    here->count.finished.add(1);
    return;
  }
  const std::lock_guard guard(outside_);
  outside_stacks_.return_credit(fresh.stack_class);
  outside_cells_.give(&fresh);
  outside_abandoned_.add(1);
}

scheduler_core& spawning_core() {
  const processor* const here = this_processor();
  if (here != nullptr) [[likely]] {
    return here->core();
  }
  scheduler_core* const core = default_core();
  if (core == nullptr) {
    throw std::logic_error("csp: a task was spawned in a plain thread while no csp::run is at work; use scheduler::go");
  }
  return *core;
}

}  // namespace csp::inline v0::detail
