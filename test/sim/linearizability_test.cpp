// Random histories of channels and selects in the simulator, each judged against the model of a Go channel. Here a
// standstill is known, so that who waits beside somebody who could help is found, too: a lost wake.
#include "test/history/faults.h"
#include "test/history/linearizer.h"
#include "test/history/run_history.h"
#include "test/support/topologies.h"

#include <libcsp/testing.h>

#include <string>
#include <utility>

using csp_test::fault;
using csp_test::history;
using csp_test::scenario;
namespace testing = csp::testing;

namespace {

const csp_test::starter as_task = [](unsigned, std::function<void()> actor) { csp::go(std::move(actor)); };

std::string trouble(const scenario& plan, const csp_test::performer& act = csp_test::perform) {
  const history all = csp_test::run_history(plan, as_task, act);
  return csp_test::linearize(all).linearizable
             ? std::string()
             : "scenario " + std::to_string(plan.seed) + ": no Go channel does this: " + csp_test::describe(all);
}

}  // namespace

TEST_CASE("simulated linearizability: each of many scenarios in several ways") {
  const std::size_t scenarios = csp_test::scaled(1'000);
  std::uint64_t runs = 0;
  for (std::uint64_t seed = 1; seed <= scenarios; ++seed) {
    const scenario plan = csp_test::make_scenario(seed);
    testing::exploration_options options;
    options.seeds = 4;
    options.first_seed = seed * 4;
    runs += testing::explore(options, [&plan] {
              const std::string text = trouble(plan);
              testing::check(text.empty(), text);
            }).runs;
  }
  CHECK(runs >= scenarios);
}

TEST_CASE("simulated linearizability: channels that are broken on purpose are found out") {
  constexpr fault kinds[] = {fault::loses,    fault::doubles,    fault::reorders,
                             fault::gives_up, fault::sends_late, fault::closes_twice};
  for (const fault kind : kinds) {
    CAPTURE(static_cast<int>(kind));
    bool found = false;
    for (std::uint64_t seed = 4; !found && seed < 4'000; seed += 4) {  // no balanced ones, which would hang
      const auto result = testing::simulate(seed, [&] {
        const std::string text = trouble(csp_test::make_scenario(seed), csp_test::faulty(kind, seed));
        testing::check(text.empty(), text);
      });
      found = !result.passed();
      CHECK((result.passed() || result.failure.find("no Go channel does this") != std::string::npos));
    }
    CHECK(found);
  }
}
