// A processor's loop is step(): one thread drives two processors in turn here, under a clock that the test owns, so
// what they do is decided by the order of the steps alone.
#include "test/support/driver.h"
#include "test/support/topologies.h"

#include <atomic>
#include <cerrno>
#include <mutex>
#include <string>
#include <vector>

using namespace csp::detail;
using csp_test::driver;
using csp_test::here;
using namespace std::chrono_literals;

TEST_CASE("driver: nothing runs but by a step") {
  driver both;
  int ran = 0;
  CHECK_FALSE(both.step(0));
  both.go([&] { ++ran; });
  CHECK(ran == 0);
  CHECK(both.step(1));
  CHECK(ran == 1);
  CHECK(both.all_ended());
  CHECK_FALSE(both.step(0));
  CHECK_FALSE(both.step(1));
}

TEST_CASE("driver: a processor takes half of the other's burst") {
  constexpr int children = 300;
  driver both;
  std::atomic<int> ran[2] = {};
  both.go([&] {
    for (int i = 0; i < children; ++i) {
      csp::go([&] { ++ran[here()]; });
    }
  });
  REQUIRE(both.step(0));
  REQUIRE(ran[0] < children);  // it looked up after a number of switches
  REQUIRE(both.step(1));
  CHECK(ran[1] > 0);
  CHECK(both.statistics().steals > 0);
  both.run_until_idle();
  CHECK(ran[0] + ran[1] == children);
  CHECK(both.all_ended());
}

TEST_CASE("driver: sleep follows the injected clock") {
  driver both;
  bool woken = false;
  both.go([&] {
    csp::sleep_for(1h);
    woken = true;
  });
  both.run_until_idle();
  CHECK_FALSE(woken);
  both.time.advance(59min);
  both.run_until_idle();
  CHECK_FALSE(woken);
  both.time.advance(1min);
  both.run_until_idle();
  CHECK(woken);
  CHECK(both.all_ended());
}

TEST_CASE("driver: a stack is made when the locks of the wait before have been released") {
  driver both;
  const csp::chan<void> gate;
  bool first = false;
  bool second = false;
  both.go([&] {
    csp::go([&] { first = true; });
    static_cast<void>(gate.recv());  // holds the channel's lock until another stack has been reached
    csp::yield();
    csp::go([&] { second = true; });
    static_cast<void>(gate.recv());
  });
  // No stack is at hand: the root makes one, in its next decision.
  REQUIRE(both.step(0));
  CHECK_FALSE(first);
  CHECK(gate.try_send() == csp::op_status::ok);
  REQUIRE(both.step(0));
  CHECK(first);
  CHECK_FALSE(second);
  both.run_until_idle();
  CHECK(second);
  CHECK(gate.try_send() == csp::op_status::ok);
  both.run_until_idle();
  CHECK(both.all_ended());
}

TEST_CASE("driver: a stack that is at hand is taken at once") {
  driver both;
  const csp::chan<void> gate;
  bool ran = false;
  both.go([&] {
    csp::go([] {});
    csp::yield();  // that one ends, and leaves its stack
    csp::go([&] { ran = true; });
    static_cast<void>(gate.recv());
  });
  REQUIRE(both.step(0));
  CHECK(ran);
  CHECK(gate.try_send() == csp::op_status::ok);
  both.run_until_idle();
  CHECK(both.all_ended());
}

TEST_CASE("driver: the timers of a processor that stands still are fired by the other") {
  driver both;
  unsigned woken_on = 99;
  both.go([&] {
    csp::sleep_for(1ms);
    woken_on = here();
  });
  REQUIRE(both.step(0));
  both.time.advance(2ms);
  both.step(1);  // sees that processor 0 makes no progress
  both.time.advance(1ms);
  CHECK(both.step(1));
  CHECK(woken_on == 1);
  CHECK(both.all_ended());
}

TEST_CASE("driver: pinned tasks stay, also when they talk over a channel") {
  constexpr int rounds = 20;
  driver both;
  csp::chan<int> there;
  csp::chan<int> back;
  std::vector<unsigned> left;
  std::vector<unsigned> right;
  both.go(
      [&] {
        for (int i = 0; i < rounds; ++i) {
          there.send(i);
          left.push_back(here());
          if (back.recv() != i) {
            left.push_back(99);
          }
        }
      },
      true);
  both.go(
      [&] {
        for (int i = 0; i < rounds; ++i) {
          const auto value = there.recv();
          right.push_back(here());
          back.send(value.value_or(-1));
        }
      },
      true);
  both.run_until_idle();
  REQUIRE(both.all_ended());
  REQUIRE(left.size() == rounds);
  REQUIRE(right.size() == rounds);
  CHECK(left[0] != right[0]);
  CHECK(left == std::vector<unsigned>(rounds, left[0]));
  CHECK(right == std::vector<unsigned>(rounds, right[0]));
}

TEST_CASE("driver: a task that parked on one processor goes on on another, with its errno and its exception") {
  driver both;
  csp::chan<void> gate;
  std::vector<unsigned> seen;
  std::string text;
  int number = 0;
  both.go([&] {
    seen.push_back(here());
    errno = 33;
    try {
      throw std::string("kept");
    } catch (...) {
      static_cast<void>(gate.recv());
      seen.push_back(here());
      number = errno;
      try {
        throw;
      } catch (const std::string& same) {
        text = same;
      }
    }
  });
  REQUIRE(both.step(0));
  both.go([&] {
    errno = 44;
    try {
      throw 1;
    } catch (int) {
      gate.close();
    }
  });
  REQUIRE(both.step(1));
  both.run_until_idle();
  CHECK(seen == std::vector<unsigned>{0, 1});
  CHECK(number == 33);
  CHECK(text == "kept");
  CHECK(both.all_ended());
}

TEST_CASE("driver: the same seed and the same steps give the same run") {
  const auto trace = [](std::uint64_t seed) {
    driver both(seed);
    std::vector<unsigned> result;
    std::mutex lock;  // for the sanitizer's eye only: all is one thread
    const auto note = [&](unsigned event) {
      const std::lock_guard guard(lock);
      result.push_back(event);
    };
    csp::chan<unsigned> values(3);
    for (unsigned id = 0; id < 40; ++id) {
      both.go([&, id] {
        csp::select(csp::on_send(values, id), csp::on_recv(values, [&](auto) { note(1'000 + id); }));
        csp::yield();
        note(2 * id + here());
      });
    }
    both.run_until_idle();
    const bool waiting = !both.all_ended();
    values.close();
    both.run_until_idle();
    CHECK((waiting || both.all_ended()));
    return result;
  };
  const std::vector<unsigned> first = trace(5);
  CHECK(first.size() >= 40);
  CHECK(trace(5) == first);
  CHECK(trace(6) != first);
}

TEST_CASE("driver: a timer among tasks that yield is late by a round of their turns, also when they become slower") {
  // How far ahead it is, how long a turn takes until shortly before, and from then on.
  const auto late = [](std::chrono::nanoseconds limit, std::chrono::nanoseconds turn, std::chrono::nanoseconds end) {
    driver both;
    const nanos due = both.time.now() + limit.count();
    std::atomic<nanos> woken{0};
    both.go([&] {
      csp::sleep_for(limit);
      woken = both.time.now();
    });
    for (int i = 0; i < 2; ++i) {
      both.go([&] {
        while (woken == 0) {
          both.time.advance(both.time.now() < due - 4 * turn.count() ? turn : end);
          csp::yield();
        }
      });
    }
    while (!both.all_ended()) {
      REQUIRE(both.step(0));
    }
    return std::chrono::nanoseconds(woken - due);
  };
  constexpr int round = 32;
  for (const auto limit : {50us, 1'000us, 100'000us}) {
    CAPTURE(limit.count());
    const auto usual = late(limit, 1us, 1us);
    CHECK(usual >= 0us);
    CHECK(usual <= (round + 2) * 1us);
    CHECK(late(limit, 1us, 20us) <= (round + 2) * 20us);
  }
  // Near ones are looked for more often.
  CHECK(late(100us, 1us, 1us) <= 10us);
}

TEST_CASE("driver: late timers leave one turn in sixteen to tasks that have not started, and more to those that have") {
  static constexpr int sleepers = 320;
  // Turns that the others have from the first sleeper's end to the last one's, when all of them are due at once.
  const auto turns_between = [](bool started) {
    driver both;
    std::atomic<int> woken{0};
    std::atomic<int> turns{0};
    both.go([&] {
      for (int i = 0; i < sleepers; ++i) {
        csp::go([&] {
          csp::sleep_for(10ms);
          ++woken;
        });
      }
    });
    while (both.step(0)) {
    }
    const auto take_turn = [&] { turns += woken > 0 && woken < sleepers ? 1 : 0; };
    both.go([&] {
      for (int i = 0; i < (started ? 40 : sleepers); ++i) {
        csp::go([&] {
          do {
            take_turn();
            csp::yield();
          } while (started && woken < sleepers);
        });
      }
    });
    for (int i = 0; started && i < 8; ++i) {
      REQUIRE(both.step(0));  // all have had a turn
    }
    both.time.advance(20ms);
    while (!both.all_ended()) {
      REQUIRE(both.step(0));
    }
    CHECK(woken == sleepers);
    return turns.load();
  };
  const int of_fresh = turns_between(false);
  CHECK(of_fresh >= sleepers / 32);
  CHECK(of_fresh <= sleepers / 8);
  const int of_started = turns_between(true);
  CHECK(of_started >= sleepers / 4);
}
