// The core of a scheduler: its processors and what they share. Cores are pooled and never freed, since a waker may
// still be notifying one when the last task has ended and the scheduler has stopped.
//
// Life: acquire -> start -> (drain) -> stop -> start ... -> release. start, drain, stop and release are called by plain
// threads, one at a time. Everything else says who may call it.
#pragma once

#include "sched/base/atomic.h"
#include "sched/base/clock.h"
#include "sched/base/source_location.h"
#include "sched/blocking_pool.h"
#include "sched/idle.h"
#include "sched/injector.h"
#include "sched/monitor.h"
#include "sched/poller.h"
#include "sched/processor.h"
#include "sched/simulator.h"
#include "sched/stack_source.h"
#include "sched/task_list.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

namespace csp::inline v0::detail {

/// What a scheduler is made from; all values are checked and final.
struct core_settings {
  unsigned processors = 1;
  unsigned spares = 0;
  unsigned stack_class = 0;    // of a task that asks for nothing; custom where `stacks` is
  std::size_t stack_size = 0;  // of such a task
  stack_source stacks;
  nanos grace = 0;
  nanos hibernate_after = never;  // for tasks whose stacks hibernate
  bool abort_when_stuck = false;
  std::uint64_t seed = 1;
  const clock_source* clock = nullptr;
  bool own_threads = true;         // false: somebody drives the processors by step()
  simulator* simulated = nullptr;  // who does, in a simulation
};

/// What a task is made from, apart from its callable.
struct spawn_options {
  std::string_view name;
  std::size_t stack_size = 0;
  bool pinned = false;
  source_location site;
  std::size_t private_bytes = 0;
  bool measured_stack = false;
  stack_source stacks{};
  bool hibernates = false;

  /// True when it gets the stack that the scheduler's tasks get.
  [[nodiscard]] bool usual_stack() const noexcept {
    return stack_size == 0 && private_bytes == 0 && !measured_stack && stacks.empty() && !hibernates;
  }
};

/// Figures summed over the processors; each is exact when nothing runs.
struct core_statistics {
  std::uint64_t spawned = 0;
  std::uint64_t finished = 0;
  std::uint64_t switches = 0;
  std::uint64_t steals = 0;
  unsigned processors = 0;
  std::uint64_t sleeps = 0;
};

class CSP_API scheduler_core {
 public:
  /// Processors, spares included, that one scheduler can have.
  static constexpr unsigned most_processors = 512;

  [[nodiscard]] static scheduler_core& acquire();
  static void release(scheduler_core& core) noexcept;

  /// Starts the processors and their threads. Throws std::system_error when a thread cannot be made; nothing runs then.
  void start(const core_settings& settings);
  /// Waits until no task lives.
  void drain();
  /// Cancels what lives, waits for its end, joins all threads.
  void stop();
  /// Asks all tasks to end, but `spared`; those that have not started never will. By stop(), and by a simulator before
  /// it.
  void cancel_all(const task* spared = nullptr) noexcept;
  /// Runs the monitor on the calling thread until `done` is raised and the monitor woken.
  void watch_until(const atomic<bool>& done) { monitor_.watch_until(done); }
  /// The main task of csp::run has ended: no deadlock is reported any more. By that task.
  void note_main_ended() noexcept { stopping_.store(true, std::memory_order_seq_cst); }
  /// Gives the monitor a thread of its own.
  void start_monitor_thread();

  // --- hot, any thread
  // ------------------------------------------------------------------------------------------------

  /// After a push by `here`, one of this core's processors: wakes a sleeper where that is due.
  CSP_ALWAYS_INLINE void notify_from_processor(const processor& here) noexcept {
    // Pairs with the heavy fence of a processor that goes to sleep.
    asymmetric_fence::light();
    if (idle.needs_wake()) [[unlikely]] {
      wake_for(here);
    }
  }
  /// After a push to a shared queue by any other thread: wakes one that is parked, or else one that rests, if nobody
  /// searches.
  void notify_from_outside() noexcept;
  /// Wakes one parked processor, if nobody searches.
  void wake_one() noexcept;
  /// The same for what `here` has pushed, unless all who are parked avoid it.
  CSP_NOINLINE void wake_for(const processor& here) noexcept;
  /// The last searcher, `here`, has stopped: wakes another in its place, unless there is nothing that one could find.
  void pass_on_search(const processor& here) noexcept;

  // --- spawning
  // -------------------------------------------------------------------------------------------------------

  /// A cell with identity, credit and no payload yet. From a task of this core, or from a plain thread. Throws
  /// std::bad_alloc, or std::logic_error when the scheduler does not run.
  [[nodiscard]] task& allocate(const spawn_options& options);
  /// The same for a task that asks for nothing, as most do.
  [[nodiscard]] task& allocate(source_location site);
  /// Puts the allocated task in line. Throws std::bad_alloc (from a plain thread only): the task is as before.
  void submit(task& fresh);
  /// Takes back what allocate() gave; the task was not submitted.
  void abandon(task& fresh) noexcept;

  // --- parts, shared by the processors
  // --------------------------------------------------------------------------------

  idle_set idle;
  injector injected;
  task_list ready_outside;         // made ready by other schedulers' tasks and by plain threads
  blocking_pool blocking{*this};   // for calls that end by themselves
  blocking_pool lingering{*this};  // for calls that may wait for another party: they never hold up the others

  /// The poller of this scheduler; null until one is attached. Any thread.
  [[nodiscard]] poller* io() const noexcept {
    // acquire: pairs with the release in attach().
    return io_.load(std::memory_order_acquire);
  }
  /// Gives this scheduler a poller, until it stops. False in a plain thread when it stops already. One at a time.
  [[nodiscard]] bool attach(poller& source) noexcept;

  [[nodiscard]] processor& at(unsigned index) const noexcept {
    // acquire: pairs with the release that publishes a new processor.
    return *processors_[index].load(std::memory_order_acquire);
  }
  /// Processors in use, spares included.
  [[nodiscard]] unsigned active() const noexcept { return active_.load(std::memory_order_acquire); }
  /// Small and unlike that of any other core.
  [[nodiscard]] std::uint32_t number() const noexcept { return number_; }
  [[nodiscard]] unsigned base_processors() const noexcept { return settings_.processors; }
  [[nodiscard]] const core_settings& settings() const noexcept { return settings_; }
  [[nodiscard]] nanos now() const noexcept { return settings_.clock->now(); }
  [[nodiscard]] bool halted() const noexcept { return halted_.load(std::memory_order_acquire); }
  [[nodiscard]] bool stopping() const noexcept { return stopping_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool running() const noexcept { return running_.load(std::memory_order_acquire); }
  [[nodiscard]] std::uint64_t next_id_block(std::uint32_t size) noexcept {
    return ids_.fetch_add(size, std::memory_order_relaxed);
  }
  [[nodiscard]] core_statistics statistics() const noexcept;
  [[nodiscard]] std::uint32_t coarse_time() const noexcept {
    return settings_.simulated != nullptr ? monitor_.ticks() : monitor_.ticks_now();
  }
  [[nodiscard]] watcher& monitor() noexcept { return monitor_; }

  /// A processor is about to sleep, or a task has ended: tells drain() or stop() when all have.
  void note_idle() noexcept;
  /// Reports a deadlock if that is what there is. By the monitor that stands by, and by a thread that might have kept
  /// its last look from it: one that counts as ours from now on, or has ended the last blocking call.
  void look_for_deadlock() noexcept;
  /// True when no task lives; exact once it is true while nobody outside spawns.
  [[nodiscard]] bool all_ended() const noexcept { return living() == 0; }
  /// How many tasks live; exact while none is spawned or ends.
  [[nodiscard]] std::uint64_t living() const noexcept;

  /// Adds a spare processor with its thread; false at the limit or when the system refuses a thread. Monitor only.
  bool add_spare() noexcept;
  /// Takes a retired spare's thread and slot back. Monitor only.
  void reap_spares() noexcept;
  /// Asks one spare to retire when it is idle. Monitor only.
  void retire_one_spare() noexcept;
  /// A spare has left its loop for good. On its own thread.
  void note_retired() noexcept { spares_running_.fetch_sub(1, std::memory_order_seq_cst); }
  [[nodiscard]] unsigned spares_running() const noexcept { return spares_running_.load(std::memory_order_seq_cst); }
  /// Processors with a thread at work: what the idle protocol counts.
  [[nodiscard]] unsigned in_service() const noexcept { return settings_.processors + spares_running(); }
  /// True when nothing runs, is in line, or has a time to run at. Any thread.
  [[nodiscard]] bool stands_still() const noexcept;

 private:
  /// Takes a processor off the idle list, if one is parked and nobody searches; else null.
  [[nodiscard]] processor* take_to_wake() noexcept;
  friend class watcher;

  explicit scheduler_core(std::uint32_t number) : number_(number) {}
  void run_thread(processor& self);
  [[nodiscard]] bool wait_for_end(nanos deadline);
  void join_processors() noexcept;
  void report_stuck() const;
  processor& allocate_processor(unsigned index, bool spare);
  void initialize(task& fresh, std::uint8_t stack_class, std::uint64_t id, processor* home, source_location site,
                  std::string_view name, std::size_t private_bytes) noexcept;
  /// The processor that runs the caller, if that is a task of this core; else null.
  [[nodiscard]] processor* running_processor() const noexcept;
  [[nodiscard]] processor& next_home() noexcept;
  /// The class of a task that asks for something; throws std::invalid_argument.
  [[nodiscard]] unsigned choose_stack_class(const spawn_options& options) const;
  /// A stack from the source that the options, or the settings, name.
  [[nodiscard]] stack_block* make_own_stack(const spawn_options& options, unsigned stack_class) const;

  relaxed<simulator*> simulated_;  // as in the settings; also read by wakers that come late
  const std::uint32_t number_;
  core_settings settings_;
  atomic<poller*> io_{nullptr};
  std::array<atomic<processor*>, most_processors> processors_{};
  atomic<unsigned> active_{0};
  atomic<unsigned> spares_running_{0};
  atomic<std::uint64_t> ids_{1};
  atomic<bool> running_{false};
  atomic<bool> stopping_{false};
  atomic<bool> halted_{false};
  atomic<bool> end_awaited_{false};  // drain() or stop() waits for the last task
  atomic<bool> ended_{false};        // and it has come

  std::vector<std::thread> threads_;                     // one for each processor in use, by index
  std::array<atomic<bool>, most_processors> retired_{};  // spares whose thread has come to its end
  atomic<unsigned> homes_{0};                            // pinned tasks of plain threads go round the processors
  futex_parker end_sleeper_;                             // drain() or stop() while the monitor has its own thread
  std::thread monitor_thread_;
  atomic<bool> monitor_done_{false};
  watcher monitor_{*this};

  // Spawning from plain threads.
  std::mutex outside_;
  cell_pool outside_cells_;                   // guarded by outside_
  stack_pool outside_stacks_;                 // guarded by outside_
  bool outside_open_ = false;                 // guarded by outside_
  relaxed<std::uint64_t> outside_spawned_;    // written under outside_
  relaxed<std::uint64_t> outside_abandoned_;  // written under outside_

  scheduler_core* next_pooled_ = nullptr;
};

/// The scheduler that csp::go uses: the running task's, in a plain thread the default one, else std::logic_error.
[[nodiscard]] CSP_API scheduler_core& spawning_core();

/// The scheduler that csp::go uses in a plain thread: the one in csp::run. Null when there is none.
[[nodiscard]] CSP_API scheduler_core* default_core() noexcept;
/// Makes a core the default one if there is none; true when it did. clear_default_core() undoes that.
[[nodiscard]] bool set_default_core(scheduler_core& core) noexcept;
void clear_default_core(scheduler_core& core) noexcept;

}  // namespace csp::inline v0::detail
