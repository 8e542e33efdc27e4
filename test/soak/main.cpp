// The soak: rounds of everything at once, each with exact accounts, until the time is over. The first failure ends it.
//
// usage: soak [--minutes M | --seconds S | --rounds R] [--seed N]
//
// The seed of the first round is N, by default from the clock; each round's is one more than that of the round before,
// and is printed before it begins, so that `--seed N --rounds 1` repeats its choices.
#include "test/soak/round.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

using csp_test::round_result;

// Many times what any round takes, on a machine that is busy with others, in instrumented builds.
constexpr std::chrono::seconds round_limit{240};
// How often a round that has left more memory in use than any before is played again; see test/support/leftovers.h.
constexpr int repetitions = 4;

struct arguments {
  std::chrono::seconds duration{60};
  std::uint64_t rounds = UINT64_MAX;
  std::uint64_t seed = static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()) / 1000;
};

[[noreturn]] void usage() {
  std::fputs("usage: soak [--minutes M | --seconds S | --rounds R] [--seed N]\n", stderr);
  std::exit(2);
}

arguments parsed(int argc, char** argv) {
  arguments result;
  for (int i = 1; i < argc; i += 2) {
    char* end = nullptr;
    const std::uint64_t number = i + 1 < argc ? std::strtoull(argv[i + 1], &end, 10) : 0;
    if (end == nullptr || end == argv[i + 1] || *end != '\0') {
      usage();
    }
    const std::string name = argv[i];
    if (name == "--minutes") {
      result.duration = std::chrono::minutes(number);
    } else if (name == "--seconds") {
      result.duration = std::chrono::seconds(number);
    } else if (name == "--rounds") {
      result.rounds = number;
      result.duration = std::chrono::hours(24 * 365);
    } else if (name == "--seed") {
      result.seed = number;
    } else {
      usage();
    }
  }
  return result;
}

// Plays one round and tells of it; false when it has failed. A pool grows once and a leak grows each time.
bool play(std::uint64_t seed, std::size_t& most_memory) {
  std::printf("round of seed %llu: ", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  const auto start = std::chrono::steady_clock::now();
  round_result result = csp_test::run_round(seed, round_limit);
  for (int again = 0; again < repetitions && result.failures.empty() && result.memory > most_memory; ++again) {
    most_memory = result.memory;
    result = csp_test::run_round(seed, round_limit);
  }
  if (result.failures.empty() && result.memory > most_memory) {
    result.failures.push_back("more memory is in use each time that it is played");
  }
  const std::chrono::duration<double> lasted = std::chrono::steady_clock::now() - start;
  std::printf("%s; %s, %.2f s, %zu allocations in use\n", result.plan.c_str(),
              result.failures.empty() ? "ok" : "FAILED", lasted.count(), result.memory);
  for (const std::string& failure : result.failures) {
    std::printf("  %s\n", failure.c_str());
  }
  if (!result.failures.empty()) {
    std::printf("the choices of this round again: soak --seed %llu --rounds 1\n",
                static_cast<unsigned long long>(seed));
  }
  std::fflush(stdout);
  return result.failures.empty();
}

}  // namespace

int main(int argc, char** argv) {
  const arguments wanted = parsed(argc, argv);
  std::printf("soak: seed %llu\n", static_cast<unsigned long long>(wanted.seed));
  const auto end = std::chrono::steady_clock::now() + wanted.duration;
  std::size_t most_memory = 0;
  std::uint64_t played = 0;
  for (; played < wanted.rounds && std::chrono::steady_clock::now() < end; ++played) {
    if (!play(wanted.seed + played, most_memory)) {
      return 1;
    }
  }
  std::printf("soak: %llu rounds, all accounts exact\n", static_cast<unsigned long long>(played));
  return played > 0 ? 0 : 1;
}
