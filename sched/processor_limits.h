// What a processor's loop keeps to: how much it moves at once, how often it looks at what, for how long it searches.
#pragma once

#include "sched/base/clock.h"
#include "sched/base/config.h"
#include "sched/local_queue.h"

#include <cstdint>

namespace csp::inline v0::detail {

struct task;

struct processor_limits {
  /// The ring takes a burst of a thousand tasks before the overflow list and its lock come in; 8 KiB.
  static constexpr std::uint32_t ring_capacity = CSP_SHRUNK(1024, 4);
  /// A busy processor asks the poller at most so often: a look is a system call of some 300 ns.
  static constexpr nanos poll_interval = 50'000;
  /// And while those wait in line still that the last look has made ready, behind which all that it found now would
  /// have to stand: half of what makes the monitor look.
  static constexpr nanos poll_interval_behind = 500'000;
  /// Switches between two looks at everything that is not the own queue: bounds how long a talking pair, or a flood of
  /// ready tasks, can keep others waiting; costs 1/32 of a look a switch.
  static constexpr std::uint32_t switches_between_chores = 32;
  /// The same while a timer is soon due or a file descriptor is watched: a due timer then waits for so many turns of
  /// other tasks at the most.
  static constexpr std::uint32_t switches_between_clocks = 8;
  /// So many due timers fire at one round of chores, if there is room: all turns but one. How many turns tasks that are
  /// ready anyway have beside them is a matter of the room that they leave (refill_limit()).
  static constexpr std::uint32_t most_timers_a_round = local_queue<task>::capacity - 1;
  /// A timer is soon due if it is in less than so many rounds of chores like the last one. Four short rounds make a
  /// long one, and tasks may become slower. Limits of waits are mostly farther away.
  static constexpr std::int64_t rounds_ahead = 8;
  /// How long it stays open to thieves when none comes again: short for a pair that talks, long for stages that
  /// compute.
  static constexpr std::uint64_t switches_open = 256;
  /// After a step aside that did not help so many tasks wait where they would have stood by: then a step that does not
  /// help costs next to nothing, and one that does is not missed for long.
  static constexpr std::uint32_t steps_refused = 64;
  /// How long a searcher looks before it sleeps, at the most: longer than the gap between two items of a pipeline of 20
  /// us stages, and about what a futex sleep and wake costs.
  static constexpr nanos longest_search = 40'000;
  /// And when sleeps turned out to be long: then the time was wasted.
  static constexpr nanos shortest_search = 1'000;
  /// So many timers that were due between two sleeps are many.
  static constexpr std::uint32_t dense_timers = 16;
  /// Signatures set apart for one core: more than it can have processors.
  static constexpr std::uint32_t signatures_a_core = 1024;
};

}  // namespace csp::inline v0::detail
