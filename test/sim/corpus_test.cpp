// The corpus of planted bugs (corpus/corpus.h): the simulator finds each within its seeds, its replay is exact, and the
// correct form of the same program passes.
#include "test/sim/corpus/cancellations.h"
#include "test/sim/corpus/clocks.h"
#include "test/sim/corpus/closing.h"
#include "test/sim/corpus/descriptors.h"
#include "test/sim/corpus/fairness.h"
#include "test/sim/corpus/groups.h"
#include "test/sim/corpus/lock_free.h"
#include "test/sim/corpus/meetings.h"
#include "test/sim/corpus/owners.h"
#include "test/sim/corpus/parking.h"
#include "test/sim/corpus/pools.h"
#include "test/sim/corpus/timeouts.h"
#include "test/support/catch.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>

using namespace csp_test::corpus;
namespace testing = csp::testing;

namespace {

constexpr defect corpus[] = {
    {"stale_timeout", "a timeout races a wake and ends the next sleep", stale_timeout},
    {"expired_wait_keeps_wake", "a timed wait that expires loses a queued peer's wake", expired_wait_keeps_wake},
    {"close_wakes_one", "close() leaves one of two receivers asleep", close_wakes_one},
    {"close_skips_arms", "close() does not fire every arm", close_skips_arms},
    {"overwritten_value", "one of several senders overwrites a value", overwritten_value},
    {"selects_never_meet", "two selects on one channel never meet", selects_never_meet},
    {"loser_stays_registered", "an arm that lost leaves a registration behind", loser_stays_registered},
    {"published_before_parked", "a waiter is published before it is parked", published_before_parked},
    {"sleep_after_check", "a wake is lost between check and sleep", sleep_after_check},
    {"double_wake", "two wakers wake one sleeper twice", double_wake},
    {"permit_lost", "cancellation loses a permit", permit_lost},
    {"lock_for_the_dead", "a mutex is handed to a cancelled waiter", lock_for_the_dead},
    {"done_after_the_end", "done() uses a wait group that is gone", done_after_the_end},
    {"barrier_without_rounds", "a barrier mixes up its rounds", barrier_without_rounds},
    {"half_made_value", "a once returns before it is done", half_made_value},
    {"crossed_locks", "locks are taken in both orders", crossed_locks},
    {"owned_by_the_thread", "a recursive mutex is owned by the thread", owned_by_the_thread},
    {"error_of_the_thread", "exceptions of two tasks on one thread are mixed up", error_of_the_thread},
    {"full_queue_sleeps", "a full run queue sleeps", full_queue_sleeps},
    {"burst_wakes_one", "a burst of spawns wakes nobody", burst_wakes_one},
    {"stop_drops_jobs", "stopping loses queued work", stop_drops_jobs},
    {"idle_workers_poll", "an idle program wakes up all the time", idle_workers_poll},
    {"last_item_taken_twice", "the last item of a deque is taken twice", last_item_taken_twice},
    {"reused_node", "a free list meets a node again (ABA)", reused_node},
    {"one_slot_for_two", "reader and writer of one descriptor: one is forgotten", one_slot_for_two},
    {"reused_number", "a reused descriptor number gets the old one's event", reused_number},
    {"close_passes_by", "closing a descriptor does not wake who waits on it", close_passes_by},
    {"rearmed_in_vain", "a timer is armed again while its callback runs", rearmed_in_vain},
    {"sleeps_by_the_wall_clock", "a clock that is set makes a sleep late", sleeps_by_the_wall_clock},
    {"yield_to_oneself", "a yielding task starves others", yield_to_oneself},
    {"flood_before_timers", "a flood of ready tasks delays a timer", flood_before_timers},
};

constexpr std::uint64_t seeds_to_find = 10'000;
constexpr std::uint64_t seeds_to_pass = 2'000;
/// No toy needs more than a few hundred; one that goes round in circles is found soon.
constexpr std::uint64_t most_steps = 20'000;

static_assert(std::size(corpus) >= 15, "the corpus has at least 15 toys");

/// Where the main tasks of all runs are said to be made, so that their reports are equal.
constexpr csp::source_location here = csp::source_location::current();

testing::exploration_options options_for(std::uint64_t seeds) {
  testing::exploration_options result;
  result.each.most_steps = most_steps;
  result.seeds = seeds;
  return result;
}

/// The first failure that is found; nothing when there is none.
std::optional<testing::simulation_failure> find(const std::function<void()>& body) {
  try {
    static_cast<void>(testing::explore(options_for(seeds_to_find), body, here));
  } catch (const testing::simulation_failure& failure) {
    return failure;
  }
  return std::nullopt;
}

std::ptrdiff_t choices_in(const std::string& schedule) {
  return schedule.empty() ? 0 : 1 + std::count(schedule.begin(), schedule.end(), ',');
}

}  // namespace

// Planted deadlocks among them: who waits for a lock cannot be cancelled, and is given up.
TEST_CASE("corpus: every planted bug is found and replayed", "[gives-up-tasks]") {
  for (const defect& each : corpus) {
    INFO(each.name << ": " << each.kind);
    const auto body = [&] { each.program(form::planted); };
    const auto options = options_for(seeds_to_find).each;
    const auto found = find(body);
    REQUIRE(found.has_value());
    const testing::simulation_result& shortened = found->result();
    const auto original = testing::simulate(found->seed(), options, body, here);
    REQUIRE_FALSE(original.passed());
    const std::string summary = original.failure.substr(0, original.failure.find('\n'));
    fmt::print("{:26} seed {:5}, {:3} choices, shortened to {:2}: {}\n", each.name, found->seed(),
               choices_in(original.schedule), choices_in(shortened.schedule), summary.substr(summary.rfind('/') + 1));
    CHECK(choices_in(shortened.schedule) <= choices_in(original.schedule));
    for (const testing::simulation_result* const run : {&original, &shortened}) {
      const auto again = testing::replay(found->seed(), run->schedule, options, body, here);
      CHECK(again.failure == run->failure);
      CHECK(again.trace_hash == run->trace_hash);
      CHECK(again.schedule == run->schedule);
    }
  }
  CHECK(csp::tasks().empty());
}

TEST_CASE("corpus: the correct forms pass") {
  for (const defect& each : corpus) {
    INFO(each.name << ": " << each.kind);
    CHECK_NOTHROW(testing::explore(options_for(seeds_to_pass), [&] { each.program(form::correct); }));
  }
}

TEST_CASE("corpus: each toy has a name of its own") {
  for (const defect& each : corpus) {
    CHECK(std::count_if(std::begin(corpus), std::end(corpus),
                        [&](const defect& other) { return other.name == each.name; }) == 1);
  }
}
