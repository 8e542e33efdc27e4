// The parker: a token that is set before, while or after its owner sleeps, and is never lost.
#include "sched/base/parker.h"
#include "sched/base/futex.h"

#include "test/model/model.h"
#include "test/support/catch.h"

namespace {

using csp::detail::futex_parker;
using csp::detail::nanos;
using csp::detail::never;

// The waker says why; the sleeper sees it. Once without a deadline, twice in a row.
struct twice {
  static constexpr unsigned threads = 2;
  futex_parker parker;
  model::plain<int> message;
  model::plain<int> reply;
  csp::detail::atomic<int> turn{0};

  void run(unsigned thread) {
    if (thread == 0) {
      message.set(1);
      parker.unpark();
      parker.unpark();  // of a waker that came too late
      return;
    }
    model::check(parker.park_until(never), "a park without a deadline has timed out");
    model::check(message.get() == 1, "an old message");
    // The late token may still come, and then it stays; it must not end more than one park.
    static_cast<void>(parker.park_until(1));
    static_cast<void>(parker.park_until(1));
  }
  void finish() {}
};

// A deadline passes while the waker comes: if the park says that it was woken, the message is there, else the token is.
struct late {
  static constexpr unsigned threads = 2;
  futex_parker parker;
  model::plain<int> message;
  bool woken = false;

  void run(unsigned thread) {
    if (thread == 0) {
      message.set(1);
      parker.unpark();
      return;
    }
    if (!parker.park_until(1)) {
      model::check(parker.park_until(never), "a park without a deadline has timed out");
    }
    model::check(message.get() == 1, "an old message");
  }
  void finish() {}
};

// Somewhere else than on a futex, in a place that two threads may interrupt.
struct place final : csp::detail::sleep_place {
  csp::detail::atomic<std::uint32_t> bell{0};
  model::plain<int> prepared;

  void sleep_until(nanos) noexcept override {
    while (bell.load(std::memory_order_acquire) == 0) {
      csp::detail::futex_wait_until(bell, 0, never);
    }
    bell.store(0, std::memory_order_relaxed);
  }
  void interrupt() noexcept override {
    model::check(prepared.get() == 1, "the place is not ready");
    bell.store(1, std::memory_order_release);
    csp::detail::futex_wake(&bell, 1);
  }
};

struct elsewhere {
  static constexpr unsigned threads = 2;
  futex_parker parker;
  place there;
  model::plain<int> message;

  void run(unsigned thread) {
    if (thread == 0) {
      message.set(1);
      parker.unpark();
      return;
    }
    there.prepared.set(1);
    model::check(parker.park_in(there, never), "the place let go of a sleeper for nothing");
    model::check(message.get() == 1, "an old message");
  }
  void finish() {}
};

}  // namespace

TEST_CASE("parker: the token is not lost, and brings what its giver wrote") {
  CHECK(model::passes<twice>("parker: woken twice"));
  CHECK(model::passes<late>("parker: woken about its deadline"));
  CHECK(model::passes<elsewhere>("parker: asleep in another place"));
}

TEST_CASE("parker: mutants are caught") {
  using model::mistake;
  constexpr const char* file = "sched/base/parker.cpp";
  CHECK(
      model::catches<twice>("parker", {file, "const std::uint32_t before = state_.exchange(notified", mistake::relax}));
  CHECK(model::catches<late>("parker", {file, "const std::uint32_t before = state_.exchange(notified", mistake::tear}));
  CHECK(model::catches<late>(
      "parker", {file, "return state_.exchange(empty, std::memory_order_acquire) == notified;", mistake::relax, 1}));
  CHECK(model::catches<elsewhere>("parker",
                                  {file, "state_.compare_exchange_strong(expected, elsewhere", mistake::relax}));
  CHECK(model::catches<twice>("parker", {file, "state_.compare_exchange_strong(expected, sleeping", mistake::tear}));
}
