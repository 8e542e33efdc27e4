// When tasks that fight over a lock are brought together on one processor, and when not.
#include "sched/contention.h"

#include "test/support/driver.h"
#include "test/support/topologies.h"

#include <atomic>
#include <mutex>

using namespace csp::detail;
using namespace std::chrono_literals;
using csp_test::driver;
using csp_test::here;

namespace {

/// Lets processor 1 do operations one after another, each taking `interval`; every `meets`-th meets a lock in the hands
/// of `rival`. Where it is told to go, within 1000 operations; null: nowhere.
processor* fight(driver& both, std::uint32_t rival, std::chrono::nanoseconds interval, int meets) {
  processor& self = both.at(1);
  processor* better = nullptr;
  for (int i = 0; i < 1'000 && better == nullptr; ++i) {
    static_cast<void>(self.sign_operation());
    both.time.advance(interval);
    if (i % meets == 0) {
      better = self.weigh_contention(rival);
    }
  }
  return better;
}

}  // namespace

TEST_CASE("contention: who does little but meet a rival goes to the rival's processor") {
  driver both;
  CHECK(fight(both, both.at(0).signature(), 200ns, 1) == &both.at(0));
  CHECK(fight(both, both.at(0).signature(), 200ns, 8) == &both.at(0));
}

TEST_CASE("contention: who computes between its operations stays") {
  driver both;
  CHECK(fight(both, both.at(0).signature(), 1us, 1) == nullptr);
}

TEST_CASE("contention: a meeting now and then is none") {
  driver both;
  CHECK(fight(both, both.at(0).signature(), 50ns, 100) == nullptr);
}

TEST_CASE("contention: one goes to a lower index of the own scheduler only") {
  driver both;
  driver others;
  CHECK(fight(both, both.at(1).signature(), 200ns, 1) == nullptr);
  CHECK(fight(both, both.at(1).signature() + 1, 200ns, 1) == nullptr);
  CHECK(fight(both, others.at(0).signature(), 200ns, 1) == nullptr);
  CHECK(fight(both, spinlock::anonymous, 200ns, 1) == nullptr);
  CHECK(both.at(0).signature() != others.at(0).signature());
}

TEST_CASE("contention: a task that moves goes on elsewhere, and is not taken back at once") {
  driver both;
  std::atomic<unsigned> before{9};
  std::atomic<unsigned> after{9};
  std::atomic<processor*> told{nullptr};
  both.go([&] {
    before = here();
    told = fight(both, both.at(0).signature(), 200ns, 1);
    both.at(1).move_to(both.at(0));
    after = here();
    for (int i = 0; i < 100; ++i) {
      csp::go([] {});
    }
    csp::yield();
  });
  REQUIRE(both.step(1));
  CHECK(told == &both.at(0));
  CHECK(before == 1);
  CHECK(after == 9);
  REQUIRE(both.step(0));
  CHECK(after == 0);
  REQUIRE(both.at(0).has_stealable_work());
  CHECK_FALSE(both.step(1));
  both.time.advance(1ms);
  CHECK(both.step(1));  // in the end it tries again
  CHECK(both.statistics().steals > 0);
  both.run_until_idle();
  CHECK(both.all_ended());
}

TEST_CASE("contention: pinned tasks and plain threads stay") {
  driver both;
  CHECK(weigh_contention(both.at(0).signature()) == nullptr);
  std::atomic<int> told{0};
  const auto count = [&] {
    for (int i = 0; i < 100; ++i) {
      static_cast<void>(this_processor()->sign_operation());
      both.time.advance(100ns);
      told += weigh_contention(both.at(0).signature()) != nullptr ? 1 : 0;
    }
  };
  both.go(count);
  REQUIRE(both.step(1));
  CHECK(told == 85);  // the sixteenth time, and from then on at each meeting
  told = 0;
  both.go([&] { both.go(count, true); });
  both.run_until_idle();
  CHECK(told == 0);
  CHECK(both.all_ended());
}

TEST_CASE("contention: tasks that move about on one channel lose nothing") {
  csp_test::on_each_topology([](csp_test::expectations& expect, unsigned) {
    const auto each = static_cast<long>(csp_test::scaled(100'000));
    const csp::chan<long> values(64);
    csp::mutex guard;
    long received = 0;
    long sum = 0;
    csp::wait_group senders(4);
    csp::wait_group receivers(4);
    for (int task = 0; task < 4; ++task) {
      csp::go([&] {
        for (long i = 1; i <= each; ++i) values.send(i);
        senders.done();
      });
      csp::go([&] {
        for (const long value : values) {
          const std::lock_guard held(guard);
          ++received;
          sum += value;
        }
        receivers.done();
      });
    }
    senders.wait();
    values.close();
    receivers.wait();
    expect(received == 4 * each, "a value was lost or doubled");
    expect(sum == 4 * (each * (each + 1) / 2), "a value was changed");
  });
}
