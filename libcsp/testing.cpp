#include <libcsp/testing.h>

#include "netio/sim/simulated_network.h"
#include "sched/base/tls.h"
#include "sched/park.h"
#include "sched/processor_count.h"
#include "sched/sim/simulation.h"
#include "sched/stack_class.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <optional>

namespace csp::inline v0::testing {
namespace {

/// More make no difference to any bug, and each is looked at in every step.
constexpr unsigned most_virtual_processors = 64;
constexpr unsigned most_processors_by_seed = 4;

using detail::schedule;
using detail::search_strategy;

std::string name_of(std::uint64_t seed) { return "the simulation with seed " + std::to_string(seed); }

detail::simulation_settings checked(std::uint64_t seed, const simulation_options& options) {
  if (detail::this_processor() != nullptr) {
    throw std::logic_error("csp::testing: a simulation was started inside a task; it is for plain threads");
  }
  if (options.processors > most_virtual_processors) {
    throw std::invalid_argument("csp::testing: " + std::to_string(options.processors) + " processors; the limit is " +
                                std::to_string(most_virtual_processors));
  }
  const std::size_t stack = options.stack_size != 0 ? options.stack_size : detail::default_stack_size();
  const auto stack_class = detail::stack_class_for(stack);
  if (!stack_class) {
    throw std::invalid_argument("csp::testing: stack_size is " + std::to_string(stack) + "; the limit is 8 MiB");
  }
  detail::simulation_settings result;
  detail::random_source draw(seed * 0xD1B54A32D192ED03ull + 1);
  static_cast<void>(draw.next());
  result.processors = options.processors != 0 ? options.processors : 1 + draw.below(most_processors_by_seed);
  result.seed = seed;
  result.most_steps = options.most_steps;
  result.stack_class = *stack_class;
  result.name = name_of(seed);
  result.verbose = options.verbose;
  return result;
}

search_strategy strategy_for(std::uint64_t seed, strategy wanted) {
  const bool walks = wanted == strategy::mixed ? seed % 2 == 0 : wanted == strategy::random_walk;
  return walks ? search_strategy::random_walk : search_strategy::priorities;
}

simulation_result run(const detail::simulation_settings& settings, detail::chooser& choices,
                      const std::function<void()>& body, source_location site) {
  detail::simulation simulated(settings, choices);
  const detail::sim::simulated_network network(simulated);
  struct frame_type {
    const std::function<void()>& body;
    detail::simulation& simulated;
  } frame{body, simulated};
  const detail::simulation_outcome outcome = simulated.run(
      [](void* argument) noexcept {
        const frame_type& here = *static_cast<frame_type*>(argument);
        detail::this_processor()->current()->host = 0;  // what it spawns inherits it
        try {
          here.body();
        } catch (const canceled&) {
          // The run has failed and unwinds; or the body was cancelled by its own hand, as csp::run's may be.
        } catch (const std::exception& error) {
          here.simulated.fail(std::string("an exception left the main task: ") + error.what());
        } catch (...) {
          here.simulated.fail("an exception of unknown type left the main task");
        }
      },
      &frame, site);
  simulation_result result;
  result.failure = outcome.failure;
  result.schedule = choices.chosen().text();
  result.trace_hash = outcome.hash;
  result.steps = outcome.steps;
  result.elapsed = std::chrono::nanoseconds(outcome.elapsed);
  return result;
}

simulation_result replay_schedule(std::uint64_t seed, const schedule& choices, const simulation_options& options,
                                  const std::function<void()>& body, source_location site) {
  detail::chooser replayed(choices);
  return run(checked(seed, options), replayed, body, site);
}

/// White space does not count: a test framework may have broken the line that told the schedule.
schedule parsed(std::string_view text) {
  std::string dense;
  std::copy_if(text.begin(), text.end(), std::back_inserter(dense),
               [](char each) { return std::string_view(" \t\n").find(each) == std::string_view::npos; });
  auto result = schedule::parse(dense);
  if (!result) {
    throw std::invalid_argument("csp::testing: '" + std::string(text) + "' is not a schedule");
  }
  return *std::move(result);
}

std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  return end.ec == std::errc() && end.ptr == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

/// What CSP_SIM_SEED asks for.
struct wanted_run {
  std::uint64_t seed = 0;
  std::optional<std::string> schedule;
};

std::optional<wanted_run> run_from_environment() {
  const char* const text = std::getenv("CSP_SIM_SEED");
  if (text == nullptr || *text == '\0') {
    return std::nullopt;
  }
  const std::string_view all = text;
  const std::size_t slash = all.find('/');
  const auto seed = number_in(all.substr(0, slash));
  if (!seed) {
    throw std::invalid_argument("csp::testing: CSP_SIM_SEED is '" + std::string(all) +
                                "'; it should be SEED or SEED/SCHEDULE");
  }
  wanted_run result{*seed, std::nullopt};
  if (slash != std::string_view::npos) {
    result.schedule = std::string(all.substr(slash + 1));
  }
  return result;
}

std::uint64_t seeds_wanted(const exploration_options& options) {
  const char* const text = std::getenv("CSP_SIM_SEEDS");
  if (text == nullptr || *text == '\0') {
    return options.seeds;
  }
  const auto number = number_in(text);
  if (!number || *number == 0) {
    throw std::invalid_argument("csp::testing: CSP_SIM_SEEDS is '" + std::string(text) +
                                "'; it should be a number above 0");
  }
  return *number;
}

[[noreturn]] void throw_failure(std::uint64_t seed, const simulation_result& result) {
  throw simulation_failure(result.failure + "\n  in " + name_of(seed) + " after " + std::to_string(result.steps) +
                               " steps\n  replay: CSP_SIM_SEED=" + std::to_string(seed) + "/" + result.schedule,
                           seed, result);
}

}  // namespace

simulation_result simulate(std::uint64_t seed, const simulation_options& options, const std::function<void()>& body,
                           source_location site) {
  detail::chooser choices(seed, strategy_for(seed, options.choices));
  return run(checked(seed, options), choices, body, site);
}

simulation_result replay(std::uint64_t seed, std::string_view choices, const simulation_options& options,
                         const std::function<void()>& body, source_location site) {
  return replay_schedule(seed, parsed(choices), options, body, site);
}

simulation_result shorten(std::uint64_t seed, const simulation_result& failing, const simulation_options& options,
                          const std::function<void()>& body, unsigned most_runs, source_location site) {
  schedule shortest = parsed(failing.schedule);
  simulation_result result = failing;
  unsigned runs = 0;
  // After Zeller and Hildebrandt's ddmin: takes out parts, halving their size when none can be spared.
  for (std::size_t part = (shortest.entries.size() + 1) / 2; part != 0 && runs < most_runs;) {
    bool spared = false;
    for (std::size_t from = 0; from < shortest.entries.size() && runs < most_runs;) {
      schedule shorter = shortest;
      const auto begin = shorter.entries.begin() + static_cast<std::ptrdiff_t>(from);
      const std::size_t length = std::min(part, shorter.entries.size() - from);
      shorter.entries.erase(begin, begin + static_cast<std::ptrdiff_t>(length));
      ++runs;
      simulation_result tried = replay_schedule(seed, shorter, options, body, site);
      if (tried.passed()) {
        from += length;
        continue;
      }
      spared = true;
      // What the run chose, and not what it was given: entries that it never came to are gone.
      shortest = parsed(tried.schedule);
      result = std::move(tried);
    }
    part = part > 1 ? (part + 1) / 2 : spared ? 1 : 0;
  }
  return result;
}

exploration_result explore(const exploration_options& options, const std::function<void()>& body,
                           source_location site) {
  exploration_result done;
  if (const auto wanted = run_from_environment()) {
    simulation_options loud = options.each;
    loud.verbose = true;
    const simulation_result result = wanted->schedule ? replay(wanted->seed, *wanted->schedule, loud, body, site)
                                                      : simulate(wanted->seed, loud, body, site);
    if (!result.passed()) {
      throw_failure(wanted->seed, result);
    }
    return {1, result.steps};
  }
  const std::uint64_t seeds = seeds_wanted(options);
  for (std::uint64_t seed = options.first_seed; seed - options.first_seed < seeds; ++seed) {
    const simulation_result result = simulate(seed, options.each, body, site);
    if (!result.passed()) {
      throw_failure(seed, shorten(seed, result, options.each, body, options.runs_to_shorten, site));
    }
    ++done.runs;
    done.steps += result.steps;
  }
  return done;
}

void check(bool holds, std::string_view text, source_location site) {
  if (holds) {
    return;
  }
  const std::string what = std::string(site.file_name()) + ":" + std::to_string(site.line()) + ": " + std::string(text);
  const detail::processor* const here = detail::this_processor();
  if (here == nullptr || !here->is_simulated()) {
    throw std::logic_error("csp::testing::check outside a simulation failed: " + what);
  }
  here->core().settings().simulated->fail(what);
}

void point() noexcept { detail::scheduling_point(); }

bool simulating() noexcept {
  const detail::processor* const here = detail::this_processor();
  return here != nullptr && here->is_simulated();
}

}  // namespace csp::inline v0::testing
