// Random histories of channels and selects, from tasks and plain threads, each judged against the model of a Go
// channel. A failure names its seed; CSP_HISTORY_SEED runs that scenario alone, many times.
#include "test/history/faults.h"
#include "test/history/linearizer.h"
#include "test/history/run_history.h"
#include "test/support/dice.h"
#include "test/support/topologies.h"

#include <cstdlib>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using csp_test::fault;
using csp_test::history;
using csp_test::scenario;

namespace {

// The seeds to run: from `first` on, or the one that is asked for again and again.
std::uint64_t seed_at(std::uint64_t first, std::uint64_t index) {
  static const char* const wanted = std::getenv("CSP_HISTORY_SEED");
  return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : first + index;
}

// Runs and judges; the history's text when it is not linearizable.
std::string trouble(const scenario& plan, const csp_test::starter& start,
                    const csp_test::performer& act = csp_test::perform) {
  const history all = csp_test::run_history(plan, start, act);
  if (csp_test::linearize(all).linearizable) {
    return {};
  }
  return "seed " + std::to_string(plan.seed) + ": no Go channel does this: " + csp_test::describe(all);
}

const csp_test::starter as_task = [](unsigned, std::function<void()> actor) { csp::go(std::move(actor)); };

}  // namespace

TEST_CASE("linearizability: tasks, supervised by a task") {
  csp_test::on_each_topology([](csp_test::expectations& expect, unsigned processors) {
    const std::size_t count = csp_test::scaled(2'000);
    for (std::size_t i = 0; i < count; ++i) {
      const std::string text = trouble(csp_test::make_scenario(seed_at(processors * 1'000'000, i)), as_task);
      expect(text.empty(), text.c_str());
    }
  });
}

TEST_CASE("linearizability: tasks that are pinned to all processors in turn, supervised by a plain thread") {
  for (const unsigned processors : {2U, 4U, 8U}) {
    csp_test::expectations expect;
    csp::options options;
    options.processors = processors;
    csp::scheduler pool(options);
    pool.start();
    const csp_test::starter spread = [&pool](unsigned, std::function<void()> actor) {
      pool.go({.pinned = true}, std::move(actor));
    };
    const std::size_t count = csp_test::scaled(2'000);
    for (std::size_t i = 0; i < count; ++i) {
      const std::string text = trouble(csp_test::make_scenario(seed_at(processors * 10'000'000, i)), spread);
      expect(text.empty(), text.c_str());
    }
    pool.stop();
    expect.verify();
  }
}

TEST_CASE("linearizability: tasks and plain threads") {
  csp_test::on_each_topology([](csp_test::expectations& expect, unsigned processors) {
    const std::size_t count = csp_test::scaled(500);
    for (std::size_t i = 0; i < count; ++i) {
      const scenario plan = csp_test::make_scenario(seed_at(processors * 100'000'000, i));
      csp_test::dice chance(plan.seed);
      std::vector<std::thread> threads;
      const std::string text = trouble(plan, [&](unsigned, std::function<void()> actor) {
        if (chance.once_in(2)) {
          threads.emplace_back(std::move(actor));
        } else {
          csp::go(std::move(actor));
        }
      });
      csp::blocking([&threads] {
        for (std::thread& each : threads) {
          each.join();
        }
      });
      expect(text.empty(), text.c_str());
    }
  });
}

TEST_CASE("linearizability: channels that are broken on purpose are found out") {
  csp_test::on_each_topology([](csp_test::expectations& expect, unsigned processors) {
    constexpr fault kinds[] = {fault::loses,    fault::doubles,    fault::reorders,
                               fault::gives_up, fault::sends_late, fault::closes_twice};
    constexpr const char* names[] = {"loses", "doubles", "reorders", "gives_up", "sends_late", "closes_twice"};
    // The rarest fault shows in one history of some thirty.
    constexpr std::size_t most = 1'000;
    for (std::size_t kind = 0; kind < std::size(kinds); ++kind) {
      std::size_t tried = 0;
      for (bool found = false; !found && tried < most; ++tried) {
        // A balanced scenario would hang when a value is lost; that is found another way.
        const std::uint64_t seed = (processors * 1'000'000 + tried) * 4;
        found = !trouble(csp_test::make_scenario(seed), as_task, csp_test::faulty(kinds[kind], seed)).empty();
      }
      expect(tried < most, names[kind]);
    }
    const std::uint64_t seed = processors * 1'000'000ull * 4;
    expect(trouble(csp_test::make_scenario(seed), as_task, csp_test::faulty(fault::none, seed)).empty(),
           "without a fault the wrapper is innocent");
  });
}
