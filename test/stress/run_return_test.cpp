// A plain thread does the last thing that csp::run waits for, and csp::run returns while that thread is still inside
// the operation: no waker may touch a scheduler or parker that is gone.
//
// CSP_STRESS_RUNS sets the number of runs.
#include "test/support/ledger.h"
#include "test/support/topologies.h"

#include <chrono>
#include <cstdlib>
#include <mutex>
#include <thread>

namespace {

/// About 40 s in a plain build on two CPUs.
constexpr std::size_t usual_runs = 200'000;

std::size_t wanted_runs() {
  const char* const text = std::getenv("CSP_STRESS_RUNS");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  return text != nullptr ? std::strtoull(text, nullptr, 10) : csp_test::scaled(usual_runs);
}

// What lies between the helper thread and one run. Lives as long as that run and not longer.
struct round_state {
  explicit round_state(std::uint64_t round) : number(round), values(round % 3 == 0 ? 1 : 0) {}
  const std::uint64_t number;
  csp::chan<std::uint64_t> values;
  csp::semaphore permits{0};
  csp::wait_group group{1};
  csp::mutex lock;
  csp::condition_variable changed;
  bool entered = false;  // guarded by lock
};

constexpr unsigned kinds = 6;

// The last act of round `state.number`, by the helper thread. It looks at `state` no more when the act can be seen.
void act(round_state& state) {
  switch (state.number % kinds) {
    case 0: {
      const csp::chan<std::uint64_t> values = state.values;
      values.send(state.number);
      return;
    }
    case 1: {
      const csp::chan<std::uint64_t> values = state.values;
      values.close();
      return;
    }
    case 2:
      state.permits.release();
      return;
    case 3:
      state.group.done();
      return;
    case 4:
      for (;;) {
        const std::lock_guard held(state.lock);
        if (state.entered) {
          break;
        }
        std::this_thread::yield();
      }
      state.changed.notify_one();
      return;
    default: {
      const csp::chan<std::uint64_t> values = state.values;
      const std::uint64_t number = state.number;
      csp::select(csp::on_send(values, number), csp::on_timeout(std::chrono::seconds(100)));
      return;
    }
  }
}

// What the main task of a run waits for; the round's number when it came as it should.
std::uint64_t await(round_state& state) {
  switch (state.number % kinds) {
    case 0:
    case 5:
      return state.values.recv().value_or(0);
    case 1:
      return state.values.recv().has_value() ? 0 : state.number;
    case 2:
      state.permits.acquire();
      return state.number;
    case 3:
      state.group.wait();
      return state.number;
    default: {
      std::unique_lock held(state.lock);
      state.entered = true;
      state.changed.wait(held);
      return state.number;
    }
  }
}

}  // namespace

TEST_CASE("run returns while the thread that sent the last value is still in the send") {
  const std::size_t runs = wanted_runs();
  const csp_test::footprint before = csp_test::footprint::now();
  std::atomic<round_state*> next{nullptr};
  round_state end(0);
  std::thread helper([&] {
    for (;;) {
      next.wait(nullptr);
      round_state* const state = next.exchange(nullptr);
      if (state == &end) {
        return;
      }
      act(*state);
    }
  });
  std::size_t wrong = 0;
  for (std::uint64_t round = 1; round <= runs; ++round) {
    csp::options options;
    options.processors = 1 + static_cast<unsigned>(round / kinds % 2);
    const std::uint64_t got = csp::run(options, [&] {
      round_state state(round);
      // Started early or late: the value may meet a waiter or be there before.
      next.store(&state);
      next.notify_one();
      if (round % 4 == 1) {
        csp::yield();
      }
      const std::uint64_t value = await(state);
      return value;
    });
    wrong += got == round ? 0U : 1U;
  }
  next.store(&end);
  next.notify_one();
  helper.join();
  REQUIRE(runs > 0);
  CHECK(wrong == 0);
  CHECK(csp_test::footprint::settled(before) == before);
}
