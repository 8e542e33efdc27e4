#include "sched/scheduler_core.h"

#include "sched/base/fatal.h"
#include "sched/base/os_thread.h"
#include "sched/base/tls.h"
#include "sched/deadlock.h"
#include "sched/fork.h"
#include "sched/inspect.h"
#include "sched/stack_overflow.h"
#include "sched/task_entry.h"

#include <cstdio>
#include <cstring>
#include <new>
#include <optional>
#include <stdexcept>
#include <string_view>

namespace csp::inline v0::detail {
namespace {

// Cores that no scheduler uses at present. Never destroyed, and neither are the cores.
struct core_pool {
  std::mutex lock;
  scheduler_core* free = nullptr;
  std::uint32_t made = 0;
};

core_pool& pooled_cores() {
  static auto* const instance = new core_pool;
  return *instance;
}

atomic<scheduler_core*> core_in_run{nullptr};

void describe_running_task(char* buffer, std::size_t size) noexcept {
  const processor* const here = this_processor();
  if (here != nullptr && here->current() != nullptr) {
    describe_task(*here->current(), buffer, size);
    if (const simulator* const simulated = here->core().settings().simulated) {
      const std::size_t length = std::strlen(buffer);
      std::snprintf(buffer + length, size - length, ", in %s", simulated->describe().c_str());
    }
  }
}

void describe_stack_owner(const void* owner, char* buffer, std::size_t size) {
  // Without the word "task", which the message has.
  char text[512];
  describe_task(*static_cast<const task*>(owner), text, sizeof text);
  constexpr std::size_t word = std::string_view("task ").size();
  std::snprintf(buffer, size, "%s", text + word);
}

const stack_block* stack_of_running_task() noexcept {
  const processor* const here = this_processor();
  return here != nullptr && here->current() != nullptr ? here->current()->stack : nullptr;
}

}  // namespace

scheduler_core* default_core() noexcept { return core_in_run.load(std::memory_order_acquire); }

bool set_default_core(scheduler_core& core) noexcept {
  scheduler_core* none = nullptr;
  return core_in_run.compare_exchange_strong(none, &core, std::memory_order_acq_rel);
}

void clear_default_core(scheduler_core& core) noexcept {
  scheduler_core* mine = &core;
  core_in_run.compare_exchange_strong(mine, nullptr, std::memory_order_acq_rel);
}

scheduler_core& scheduler_core::acquire() {
  core_pool& pool = pooled_cores();
  const std::lock_guard guard(pool.lock);
  if (scheduler_core* const core = pool.free) {
    pool.free = core->next_pooled_;
    return *core;
  }
  return *new scheduler_core(pool.made++);
}

void scheduler_core::release(scheduler_core& core) noexcept {
  core_pool& pool = pooled_cores();
  const std::lock_guard guard(pool.lock);
  core.next_pooled_ = pool.free;
  pool.free = &core;
}

// --- start and stop -------------------------------------------------------------------------------------------------

processor& scheduler_core::allocate_processor(unsigned index, bool spare) {
  processor* self = processors_[index].load(std::memory_order_relaxed);
  if (self == nullptr) {
    self = new processor;
  }
  // Distinct streams for distinct processors; the constant is the golden ratio of 64 bits.
  self->assign(*this, index, settings_.seed + (index + 1) * 0x9E3779B97F4A7C15ull, spare);
  // release: pairs with the acquire in at().
  processors_[index].store(self, std::memory_order_release);
  return *self;
}

void scheduler_core::start(const core_settings& settings) {
  refuse_in_forked_child(nullptr);
  watch_forks();
  settings_ = settings;
  simulated_.set(settings.simulated);
  set_context_describer(describe_running_task);
  set_stack_owner_describer(describe_stack_owner);
  set_running_stack_finder(stack_of_running_task);
  install_stack_overflow_handler();
  outside_spawned_.set(0);
  outside_abandoned_.set(0);
  stopping_.store(false, std::memory_order_relaxed);
  halted_.store(false, std::memory_order_relaxed);
  end_awaited_.store(false, std::memory_order_relaxed);
  ended_.store(false, std::memory_order_relaxed);
  spares_running_.store(0, std::memory_order_relaxed);
  homes_.store(0, std::memory_order_relaxed);
  if (settings_.simulated != nullptr) {
    ids_.store(1, std::memory_order_relaxed);  // runs are compared
  }
  monitor_.reset();
  const unsigned slots = settings_.processors + settings_.spares;
  require(slots <= most_processors, "too many processors");
  for (unsigned i = 0; i < slots; ++i) {
    if (i < settings_.processors || processors_[i].load(std::memory_order_relaxed) != nullptr) {
      allocate_processor(i, i >= settings_.processors);
    }
  }
  active_.store(settings_.processors, std::memory_order_release);
  threads_.resize(slots);
  try {
    for (unsigned i = 0; settings_.own_threads && i < settings_.processors; ++i) {
      threads_[i] = start_thread("csp-processor", [this, i] { run_thread(at(i)); });
    }
    enlist_scheduler(*this);
  } catch (...) {
    join_processors();
    throw;
  }
  if (settings_.own_threads) {
    monitor_.open();
  }
  count_scheduler(1);
  running_.store(true, std::memory_order_release);
  const std::lock_guard guard(outside_);
  outside_open_ = true;
}

void scheduler_core::run_thread(processor& self) {
  // Without memory for it an overflow still kills the program, only without our message.
  std::optional<alternate_signal_stack> overflow_stack;
  try {
    overflow_stack.emplace();
  } catch (const std::bad_alloc&) {
  }
  self.enter_thread();
  self.run_loop();
  self.leave_thread();
}

void scheduler_core::join_processors() noexcept {
  halted_.store(true, std::memory_order_seq_cst);
  full_fence();
  for (unsigned i = 0; i < active(); ++i) {
    at(i).wake();
  }
  for (std::thread& thread : threads_) {
    if (thread.joinable()) {
      thread.join();
    }
  }
  threads_.clear();
  for (atomic<bool>& retired : retired_) {
    retired.store(false, std::memory_order_relaxed);
  }
}

void scheduler_core::start_monitor_thread() {
  monitor_done_.store(false, std::memory_order_relaxed);
  monitor_thread_ = start_thread("csp-monitor", [this] { monitor_.watch_until(monitor_done_); });
}

void scheduler_core::drain() { static_cast<void>(wait_for_end(never)); }

bool scheduler_core::wait_for_end(nanos deadline) {
  ended_.store(false, std::memory_order_relaxed);
  end_awaited_.store(true, std::memory_order_seq_cst);
  // Pairs with the RMW by which a processor parks before note_idle(): it sees the flag, or we see its counters.
  asymmetric_fence::heavy();
  if (!all_ended()) {
    const own_thread_mark waiting;  // inside the time of end_awaited_, see stands_still()
    look_for_deadlock();            // while this thread did not count as ours, nobody could tell
    if (monitor_thread_.joinable()) {
      while (!ended_.load(std::memory_order_acquire) && end_sleeper_.park_until(deadline)) {
      }
    } else {
      monitor_.watch_until(ended_, deadline);
    }
  }
  end_awaited_.store(false, std::memory_order_relaxed);
  return all_ended();
}

void scheduler_core::stop() {
  if (!running()) {
    return;
  }
  {
    const std::lock_guard guard(outside_);
    outside_open_ = false;
  }
  cancel_all();
  if (settings_.own_threads && !wait_for_end(add_saturating(steady_now(), settings_.grace))) {
    report_stuck();
    static_cast<void>(wait_for_end(never));
  }
  // Before the processors: it adds spares, and joins those that retire. release: pairs with watch_until().
  if (monitor_thread_.joinable()) {
    monitor_done_.store(true, std::memory_order_release);
    monitor_.wake();
    monitor_thread_.join();
  }
  join_processors();
  for (unsigned i = 0; i < active(); ++i) {
    require(at(i).timers.clear() == 0, "a wait has ended and left its timer behind");
  }
  blocking.stop();
  lingering.stop();
  if (poller* const source = io_.exchange(nullptr, std::memory_order_acq_rel)) {
    source->shut();
  }
  monitor_.close();
  delist_scheduler(*this);
  count_scheduler(-1);
  const std::lock_guard guard(outside_);
  outside_cells_.flush();
  outside_stacks_.flush();
  running_.store(false, std::memory_order_release);
}

void scheduler_core::cancel_all(const task* spared) noexcept {
  stopping_.store(true, std::memory_order_seq_cst);
  // Pairs with the light fence in initialize(): a new task sees that we stop, or is seen here.
  asymmetric_fence::heavy();
  cell_arena& cells = cell_arena::instance();
  cells.for_each_live([this, spared](task& subject, std::uint32_t generation) {
    if (subject.listed_core.get() == this && &subject != spared) {
      request_cancel(subject, generation);
    }
  });
  // Pairs with the light fence in the commit of a wait.
  asymmetric_fence::heavy();
  cells.for_each_live([this](task& subject, std::uint32_t generation) {
    if (subject.listed_core.get() == this && subject.cancel_generation.load(std::memory_order_relaxed) == generation) {
      interrupt_wait(subject);
    }
  });
}

void scheduler_core::report_stuck() const {
  const std::string text = "csp: these tasks were cancelled and have not ended:\n" + format_tasks(this);
  std::fputs(text.c_str(), stderr);
  if (settings_.abort_when_stuck) {
    fatal("tasks did not end within the grace period");
  }
}

bool scheduler_core::attach(poller& source) noexcept {
  const std::lock_guard guard(outside_);
  const processor* const here = this_processor();
  if (!outside_open_ && (here == nullptr || &here->core() != this)) {
    return false;
  }
  // release: pairs with the acquire in io().
  io_.store(&source, std::memory_order_release);
  return true;
}

// --- idle, end, deadlock
// ----------------------------------------------------------------------------------------------

std::uint64_t scheduler_core::living() const noexcept {
  // Ends are summed before spawns: if the sums agree, no task lived when the first sum was complete.
  const unsigned slots = active();
  std::uint64_t finished = outside_abandoned_.get();
  for (unsigned i = 0; i < slots; ++i) {
    finished += at(i).count.finished.get();
  }
  full_fence();
  std::uint64_t spawned = outside_spawned_.get();
  for (unsigned i = 0; i < slots; ++i) {
    spawned += at(i).count.spawned.get();
  }
  return spawned - finished;
}

bool scheduler_core::stands_still() const noexcept {
  if (stopping() || idle.parked() < in_service() || idle.searchers() != 0 || ready_outside.size() != 0 ||
      injected.size() != 0 || blocking.busy() != 0 || lingering.busy() != 0) {
    return false;
  }
  // Who waits for a file descriptor waits for the world outside.
  if (poller* const source = io(); source != nullptr && (source->outsider_delivers() || source->anybody_waits())) {
    return false;
  }
  // Then whoever waits for the end counts as ours, but is about to go on.
  if (end_awaited_.load(std::memory_order_seq_cst) && all_ended()) {
    return false;
  }
  const unsigned slots = active();
  for (unsigned i = 0; i < slots; ++i) {
    if (at(i).has_work(never - 1) || at(i).timers.earliest() != never) {
      return false;
    }
  }
  return true;
}

void scheduler_core::note_idle() noexcept {
  if (end_awaited_.load(std::memory_order_seq_cst) && all_ended()) {
    ended_.store(true, std::memory_order_release);
    monitor_.wake();
    end_sleeper_.unpark();
  }
}

void scheduler_core::look_for_deadlock() noexcept {
  if (settings_.own_threads && stands_still()) {
    check_for_deadlock();
  }
}

void scheduler_core::wake_one() noexcept {
  if (processor* const sleeper = take_to_wake()) {
    sleeper->wake();
  }
}

void scheduler_core::notify_from_outside() noexcept {
  // Pairs with the fence of a processor that goes to sleep or to rest.
  full_fence();
  processor* sleeper = take_to_wake();
  if (sleeper == nullptr && idle.searchers() == 0) {
    sleeper = idle.take_resting();
  }
  if (sleeper != nullptr) {
    sleeper->wake();
  }
}

void scheduler_core::wake_for(const processor& here) noexcept {
  if (here.avoiders() >= idle.parked()) {
    return;
  }
  if (processor* const sleeper = take_to_wake()) {
    sleeper->wake_for(here);
  }
}

processor* scheduler_core::take_to_wake() noexcept {
  // In this order: a waker that comes late to a core which has stopped, and is just started again, finds nobody parked.
  simulator* const chooser = idle.needs_wake() ? simulated_.get() : nullptr;
  const std::uint32_t skipped = chooser != nullptr ? chooser->choose_sleeper(idle.parked()) : 0;
  return idle.take_to_wake(skipped);
}

void scheduler_core::pass_on_search(const processor& here) noexcept {
  // Pairs with the fence in notify_from_outside(): the submitter sees that nobody searches, or we see its task.
  full_fence();
  if (injected.size() != 0 || ready_outside.size() != 0) {
    notify_from_outside();
    return;
  }
  // While all others sleep only plain threads submit, whose fence is a full one; a processor that leaves the idle set
  // after our look sees that nobody searches. A wake costs more than many a task that a thread submits.
  if (idle.parked() + 1 >= in_service()) {
    const poller* const source = io();
    const bool polled = source == nullptr || !source->in_use() || source->is_claimed();
    if (polled && !here.has_work_in_line()) {
      return;
    }
  }
  wake_one();
}

core_statistics scheduler_core::statistics() const noexcept {
  core_statistics sum;
  sum.processors = settings_.processors;
  sum.spawned = outside_spawned_.get();
  const unsigned slots = active();
  for (unsigned i = 0; i < slots; ++i) {
    const processor::counters& count = at(i).count;
    sum.spawned += count.spawned.get();
    sum.finished += count.finished.get();
    sum.switches += count.switches.get();
    sum.steals += count.steals.get();
    sum.sleeps += count.sleeps.get();
  }
  return sum;
}

}  // namespace csp::inline v0::detail
