// Schedulers that start and stop while others are at work, and tasks that live when theirs stops.
#include "test/soak/scene.h"

#include <atomic>
#include <memory>

namespace csp_test {

void schedulers_come_and_go(scene& here) {
  const std::size_t rounds = scaled(10) + 1;
  const auto ran = std::make_shared<std::atomic<std::size_t>>(0);
  std::size_t wanted = 0;
  bool balanced = true;
  const std::uint64_t seed = here.chance.word();
  csp::blocking([&] {
    dice chance(seed);
    csp::options options;
    options.processors = 1 + chance.below(4);
    csp::scheduler guest(options);
    for (std::size_t round = 0; round < rounds; ++round) {
      guest.start();
      const std::size_t tasks = 1 + chance.below(200);
      for (std::size_t i = 0; i < tasks; ++i) {
        guest.go([ran] {
          csp::yield();
          ++*ran;
        });
      }
      wanted += tasks;
      guest.drain();
      const csp::chan<int> silent;
      for (unsigned i = 0; i < chance.below(50); ++i) {
        guest.go([silent] { static_cast<void>(silent.recv()); });
      }
      guest.stop();
      balanced = balanced && guest.stats().spawned == guest.stats().finished;
    }
  });
  here.expect(*ran == wanted, "every task has run to its end");
  here.expect(balanced, "and every task that was spawned has ended");
}

}  // namespace csp_test
