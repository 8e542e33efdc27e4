// The parker: one token, set by unpark and consumed by park, whatever comes first.
#include "sched/base/parker.h"

#include "test/support/topologies.h"

#include <atomic>
#include <cerrno>
#include <thread>

using csp::detail::futex_parker;
using csp::detail::nanos;
using csp::detail::never;
using csp::detail::steady_now;

namespace {
constexpr nanos millisecond = 1'000'000;
}

TEST_CASE("parker: an unpark before the park is kept, but only one") {
  futex_parker parker;
  parker.unpark();
  parker.unpark();
  CHECK(parker.park_until(never));
  CHECK_FALSE(parker.park_until(steady_now() + millisecond));
}

TEST_CASE("parker: a deadline ends the park, and not before it has passed") {
  futex_parker parker;
  const nanos deadline = steady_now() + 20 * millisecond;
  CHECK_FALSE(parker.park_until(deadline));
  CHECK(steady_now() >= deadline);
}

TEST_CASE("parker: a deadline that has passed, zero and below, does not sleep; a token is taken all the same") {
  futex_parker parker;
  for (const nanos past : {steady_now() - 1, nanos{0}, nanos{-1}, std::numeric_limits<nanos>::min()}) {
    CHECK_FALSE(parker.park_until(past));
    parker.unpark();
    CHECK(parker.park_until(past));
  }
}

TEST_CASE("parker: a sleeper is woken") {
  futex_parker parker;
  std::atomic<bool> parked{false};
  bool woken = false;
  std::thread sleeper([&] {
    parked.store(true);
    woken = parker.park_until(never);
  });
  while (!parked.load()) {
    std::this_thread::yield();
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  errno = 4711;
  parker.unpark();
  CHECK(errno == 4711);
  sleeper.join();
  CHECK(woken);
}

TEST_CASE("parker: what was written before unpark is seen after park, in a long exchange") {
  const std::size_t rounds = csp_test::scaled(50'000);
  futex_parker there;
  futex_parker back;
  std::size_t ball = 0;  // plain: the parkers order it
  std::size_t wrong = 0;
  std::thread peer([&] {
    for (std::size_t i = 0; i < rounds; ++i) {
      while (!there.park_until(never)) {
      }
      ++ball;
      back.unpark();
    }
  });
  for (std::size_t i = 0; i < rounds; ++i) {
    there.unpark();
    while (!back.park_until(never)) {
    }
    wrong += ball != i + 1 ? 1U : 0U;
  }
  peer.join();
  CHECK(ball == rounds);
  CHECK(wrong == 0);
}

TEST_CASE("parker: a token that races the deadline is consumed once, now or by the next park") {
  const std::size_t rounds = csp_test::scaled(20'000);
  futex_parker parker;
  std::atomic<std::size_t> sent{0};
  std::size_t taken = 0;
  std::size_t expired = 0;
  std::thread waker([&] {
    for (std::size_t i = 0; i < rounds; ++i) {
      parker.unpark();
      sent.store(i + 1);
      while (sent.load() == i + 1) {
        std::this_thread::yield();
      }
    }
  });
  for (std::size_t i = 0; i < rounds; ++i) {
    while (!parker.park_until(steady_now() + 2'000)) {
      ++expired;
    }
    ++taken;
    while (sent.load() != i + 1) {
      std::this_thread::yield();
    }
    sent.store(0);
  }
  waker.join();
  CHECK(taken == rounds);
  CHECK_FALSE(parker.park_until(steady_now()));  // no token is left over
  INFO("deadlines that came first: " << expired);
}
