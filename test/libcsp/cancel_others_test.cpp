// A scheduler that cancels all its tasks, again and again, does not touch those of another one, which use the same
// cells a moment later.
#include "test/support/topologies.h"

#include <atomic>
#include <chrono>
#include <thread>

using namespace std::chrono_literals;

TEST_CASE("cancel: tasks of another scheduler never see it") {
  csp::options two;
  two.processors = 2;
  csp::scheduler steady(two);
  steady.start();
  std::atomic<bool> over{false};
  std::atomic<long> disturbed{0};
  std::atomic<long> waits{0};
  for (int i = 0; i < 8; ++i) {
    steady.go([&] {
      while (!over) {
        auto child = csp::spawn([&] {
          csp::chan<int> values;
          csp::go([=] { values.send(1); });
          try {
            static_cast<void>(values.recv());
            csp::sleep_for(1us);
            csp::yield();
          } catch (const csp::canceled&) {
            ++disturbed;
          }
          ++waits;
        });
        try {
          child.join();
        } catch (const csp::canceled&) {
          ++disturbed;
        }
      }
    });
  }
  const std::size_t rounds = csp_test::scaled(400);
  for (std::size_t round = 0; round < rounds; ++round) {
    csp::scheduler fickle(two);
    fickle.start();
    fickle
        .spawn([] {
          for (int i = 0; i < 300; ++i) {
            csp::go([] {
              csp::yield();
              csp::sleep_for(24h);
            });
          }
          csp::yield();
        })
        .join();
    fickle.stop();
  }
  over = true;
  steady.drain();
  CHECK(disturbed == 0);
  CHECK(waits > 0);
}
