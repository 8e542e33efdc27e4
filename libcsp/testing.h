// Tests of concurrent code, by simulation: the real scheduler, channels, select, timers and locks run on one thread,
// under virtual time, and every choice that threads would leave to chance comes from a seed. One seed is one run: it
// can be repeated exactly, and thousands of them are tried in a second. docs/testing.md shows how.
//
// Inside a simulation
// - time passes only when all tasks wait, and then at once: csp::sleep_for(1h) costs nothing. csp::clock tells the
//   virtual time; std::chrono's clocks do not.
// - tasks come in each other's way where they use what they share: channels, locks, wait groups, spawning. Plain
//   variables are not watched; csp::testing::point() is a place for others where there is none.
// - csp::blocking runs its function in place.
// - csp::net works, over a network of the simulation's own: <libcsp/testing_network.h>. What needs the outside world is
//   refused, and fails the simulation: a wait for a real file descriptor, csp::signals, the system's resolver.
// - other threads have no part in it.
#pragma once

#include <libcsp/run.h>

#include "sched/base/source_location.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace csp::inline v0::testing {

/// How a seed's choices are drawn; see sched/sim/chooser.h.
enum class strategy {
  mixed,        ///< by turns, from seed to seed
  random_walk,  ///< each choice anew: finds what needs many small accidents
  priorities,   ///< PCT: few changes of priority: finds what needs one task to be very slow
};

/// How one simulation is made.
struct simulation_options {
  /// Virtual processors, up to 64. 0: from 1 to 4, by the seed.
  unsigned processors = 0;
  strategy choices = strategy::mixed;
  /// A run that makes more steps than this has failed: it goes round in circles.
  std::uint64_t most_steps = 1'000'000;
  /// Bytes of stack for a task that asks for none. 0: as csp::options.
  std::size_t stack_size = 0;
  /// Writes what happens to stderr, a line each.
  bool verbose = false;
};

/// What came of one simulation.
struct [[nodiscard]] simulation_result {
  /// What went wrong; empty: nothing. A check() that failed, a deadlock with the list of who waits for what, an
  /// exception that left the body or a detached task, tasks or timers left behind, or no end.
  std::string failure;
  /// The choices that were made, to be given to replay().
  std::string schedule;
  /// A hash of all that happened, in order. Equal for equal seeds.
  std::uint64_t trace_hash = 0;
  std::uint64_t steps = 0;
  /// Virtual time from start to end.
  std::chrono::nanoseconds elapsed{0};

  [[nodiscard]] bool passed() const noexcept { return failure.empty(); }
};

/// Runs `body` as the main task of a simulation with the choices of `seed`. When it has ended, nothing may be left: no
/// task that waits, no timer. Blocks the calling plain thread. What `body` refers to must stay until it returns; it is
/// called once. After a failure all tasks are cancelled and unwound, the main task after the others, so that these
/// may refer to its frames; then the mutexes that nobody gives back go to all who wait for them. What does not end even
/// so, in a csp::shield, is given up with its stack.
/// \throws std::logic_error inside a task; std::invalid_argument for bad options; std::bad_alloc
CSP_API simulation_result simulate(std::uint64_t seed, const simulation_options& options,
                                   const std::function<void()>& body,
                                   source_location site = source_location::current());
/// The same with default options.
inline simulation_result simulate(std::uint64_t seed, const std::function<void()>& body,
                                  source_location site = source_location::current()) {
  return simulate(seed, simulation_options{}, body, site);
}

/// Runs `body` with the choices of an earlier run, as its result tells them; `seed` is the one of that run.
/// \throws std::invalid_argument also for a schedule that is none
CSP_API simulation_result replay(std::uint64_t seed, std::string_view schedule, const simulation_options& options,
                                 const std::function<void()>& body, source_location site = source_location::current());

/// Sets choices of a failing run back to the quiet ones, one after the other, as long as it fails in some way; the
/// result of the shortest one found within `most_runs` runs. `body` must be able to run again and again.
CSP_API simulation_result shorten(std::uint64_t seed, const simulation_result& failing,
                                  const simulation_options& options, const std::function<void()>& body,
                                  unsigned most_runs = 500, source_location site = source_location::current());

/// How many simulations make a test.
struct exploration_options {
  simulation_options each{};
  /// Seeds to try, from `first_seed` on. CSP_SIM_SEEDS, a number, takes the place of `seeds`.
  std::uint64_t seeds = 1000;
  std::uint64_t first_seed = 1;
  /// Runs that may be spent on shortening a failure.
  unsigned runs_to_shorten = 500;
};

/// A simulation that failed; what() tells how, with the seed, the shortened schedule and how to replay it.
class CSP_API simulation_failure : public std::runtime_error {
 public:
  simulation_failure(const std::string& text, std::uint64_t failing_seed, simulation_result outcome)
      : std::runtime_error(text), seed_(failing_seed), result_(std::move(outcome)) {}
  [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }
  /// Of the shortened run.
  [[nodiscard]] const simulation_result& result() const noexcept { return result_; }

 private:
  std::uint64_t seed_;
  simulation_result result_;
};

/// What explore() has done.
struct exploration_result {
  std::uint64_t runs = 0;
  std::uint64_t steps = 0;
};

/// Simulates `body` with many seeds. Any test framework takes what it throws for a failure. With CSP_SIM_SEED=SEED in
/// the environment, or CSP_SIM_SEED=SEED/SCHEDULE, only that run is made, and it tells each step on stderr.
/// \throws simulation_failure at the first seed that fails; and as simulate(); std::invalid_argument for a bad
///         environment
CSP_API exploration_result explore(const exploration_options& options, const std::function<void()>& body,
                                   source_location site = source_location::current());
/// The same with `seeds` seeds.
inline exploration_result explore(std::uint64_t seeds, const std::function<void()>& body,
                                  source_location site = source_location::current()) {
  exploration_options options;
  options.seeds = seeds;
  return explore(options, body, site);
}

/// In a simulation: notes a failure unless `holds`, and the simulation ends soon. Any task.
/// \throws std::logic_error outside a simulation, if it does not hold
CSP_API void check(bool holds, std::string_view text = "check", source_location site = source_location::current());

/// In a simulation: others may come first. Elsewhere nothing. Does not throw; no cancellation point.
CSP_API void point() noexcept;

/// True in a task of a simulation.
[[nodiscard]] CSP_API bool simulating() noexcept;

}  // namespace csp::inline v0::testing
