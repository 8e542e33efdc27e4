#include "test/soak/round.h"

#include "test/soak/scene.h"
#include "test/support/footprint.h"
#include "test/support/heap.h"
#include "test/support/time_limit.h"

#include <exception>

namespace csp_test {
namespace {

csp::options some_options(dice& chance) {
  csp::options result;
  result.processors = 1 + chance.below(8);
  result.spares = chance.below(5);
  result.seed = chance.word();
  // Small stacks, too: what the parts do fits into 64 KiB, in instrumented builds into twice that.
  result.stack_size = chance.once_in(2) ? 0 : std::size_t{128} << 10;
  return result;
}

std::string words(const csp::options& here, const csp::options& other) {
  return std::to_string(here.processors) + '+' + std::to_string(here.spares) + " and " +
         std::to_string(other.processors) + '+' + std::to_string(other.spares) + " processors:";
}

}  // namespace

round_result run_round(std::uint64_t seed, std::chrono::seconds limit) {
  round_result result;
  const footprint before = footprint::now();
  dice chance(seed);
  const csp::options options = some_options(chance);
  const csp::options other_options = some_options(chance);
  result.plan = words(options, other_options);
  std::vector<named_part> chosen;
  for (unsigned count = 2 + chance.below(5); count > 0; --count) {
    chosen.push_back(all_parts()[chance.below(static_cast<unsigned>(all_parts().size()))]);
    result.plan += std::string(" ") + chosen.back().name;
  }
  expectations expect;
  try {
    const time_limit guard(limit, "the round of seed " + std::to_string(seed) + ", " + result.plan + ',');
    csp::scheduler other(other_options);
    other.start();
    csp::run(options, [&] {
      csp::wait_group all;
      for (const named_part& each : chosen) {
        all.go([&expect, &other, run = each.run, own = dice(chance.word())] {
          scene here{own, expect, other};
          run(here);
        });
      }
      all.wait();
    });
    other.stop();
    expect(other.stats().spawned == other.stats().finished, "every task of the other scheduler has ended");
  } catch (const std::exception& error) {
    result.failures.push_back(std::string("an exception left csp::run: ") + error.what());
  }
  result.failures.insert(result.failures.end(), expect.failures().begin(), expect.failures().end());
  if (const std::string more = footprint::settled(before).beyond(before); !more.empty()) {
    result.failures.push_back("left behind: " + more);
  }
  result.memory = heap::live();
  return result;
}

}  // namespace csp_test
