// A simulation: one thread drives all processors of a scheduler, step by step, under a clock of its own. Scheduler,
// channels, timers and locks are the ones that ship; what a simulation decides is which processor makes the next step,
// who comes first where several could, and when time passes: only when nobody can do anything else.
//
// A run ends when the main task has ended and nothing moves any more, when nothing can ever move again (a deadlock), at
// the first failure, or after too many steps. What is left is then cancelled and unwound, the main task last: others
// may refer to what lies in its frames. Tasks that cannot be cancelled (they wait for a mutex that nobody gives back,
// or go round in circles) are given up: their stacks and cells are never used again.
#pragma once

#include "sched/base/clock.h"
#include "sched/scheduler_core.h"
#include "sched/sim/chooser.h"
#include "sched/sim/trace.h"
#include "sched/simulator.h"

#include <cstdint>
#include <string>
#include <vector>

namespace csp::inline v0::detail {

struct simulation_settings {
  unsigned processors = 2;
  std::uint64_t seed = 1;  // of the processors' own choices: victims of theft, arms of a select
  std::uint64_t most_steps = 1'000'000;
  unsigned stack_class = 0;
  std::string name;  // for messages
  bool verbose = false;
};

struct simulation_outcome {
  std::string failure;  // empty: none
  std::uint64_t steps = 0;
  std::uint64_t hash = 0;  // of the trace
  nanos elapsed = 0;       // virtual
};

class simulation final : public simulator, public clock_source {
 public:
  simulation(const simulation_settings& settings, chooser& choices);
  ~simulation() override;

  /// Runs `body(argument)` in a main task. `body` does not throw. Once.
  simulation_outcome run(void (*body)(void* argument) noexcept, void* argument, source_location site);

  // The seams.
  [[nodiscard]] nanos now() const noexcept override { return now_; }
  void interleave(processor& here) noexcept override;
  [[nodiscard]] bool prefers_newest() noexcept override { return !choices_.inverts(); }
  [[nodiscard]] std::uint32_t choose_sleeper(std::uint32_t parked) noexcept override { return choices_.draw(parked); }
  void fail(std::string what) noexcept override;
  [[nodiscard]] std::string describe() const override { return settings_.name; }

  // For what surrounds the tasks, such as a network.
  /// Whose choices, so that those of the surroundings are replayed and shortened with the others.
  [[nodiscard]] chooser& choices() noexcept { return choices_; }
  [[nodiscard]] trace& events() noexcept { return trace_; }

 private:
  /// Where the clock starts: not at 0, so that a time before the start can be told.
  static constexpr nanos start_time = 1'000'000'000;

  void drive();
  /// Makes a step with one of the processors that are able to; false when there is none.
  bool step_one();
  void step(unsigned at);
  [[nodiscard]] bool is_able(unsigned at);
  /// Lets time pass until something is due; false when nothing ever is.
  bool pass_time();
  void judge_rest();
  void unwind();
  /// Goes on until no more than so many tasks live, or nothing moves any more, or for too long. When nothing moves, all
  /// who wait for a mutex get it, but `spared`.
  void step_until_living(std::uint64_t tasks, const task* spared);
  bool end_lock_waits(const task* spared);
  void give_up_tasks();
  void note_run(const processor& self, std::uint64_t before);

  const simulation_settings settings_;
  chooser& choices_;
  scheduler_core& core_;
  trace trace_;
  nanos now_ = start_time;
  std::uint64_t steps_ = 0;
  unsigned last_ = 0;                   // the processor that made the last step
  exception_globals saved_exceptions_;  // what the calling thread was handling; the tasks' switches overwrite it
  std::vector<bool> asleep_;
  std::vector<bool> woken_;  // asleep, and its token was taken
  std::vector<unsigned> able_;
  task* main_ = nullptr;  // the main task while it is in its body
  bool main_ended_ = false;
  bool unwinding_ = false;
  std::string failure_;
};

}  // namespace csp::inline v0::detail
