// Who searches, who sleeps, who is woken: the counts are exact and nobody is woken twice.
#include "sched/idle.h"

#include "sched/base/parker.h"
#include "test/support/topologies.h"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

using csp::detail::idle_entry;
using csp::detail::idle_set;
using csp::detail::processor;

namespace {

// The set only hands the pointers out.
processor* fake_processor(std::size_t index) { return reinterpret_cast<processor*>(64 * (index + 1)); }
std::size_t index_of(const processor* fake) { return reinterpret_cast<std::size_t>(fake) / 64 - 1; }

}  // namespace

TEST_CASE("idle_set: at most half of the busy processors search") {
  idle_set idle;
  CHECK(idle.try_begin_search(4));
  CHECK(idle.try_begin_search(4));
  CHECK_FALSE(idle.try_begin_search(4));
  CHECK(idle.searchers() == 2);
  CHECK_FALSE(idle.end_search());
  CHECK(idle.end_search());  // the last one must wake another
  idle_entry sleeping[3];
  for (idle_entry& entry : sleeping) {
    CHECK(idle.park(entry, false));
  }
  CHECK(idle.try_begin_search(4));  // one busy processor: itself
  CHECK_FALSE(idle.try_begin_search(4));
  CHECK(idle.end_search());
}

TEST_CASE("idle_set: a simulator may pass over those that parked last") {
  for (std::uint32_t skipped = 0; skipped < 5; ++skipped) {
    idle_set idle;
    idle_entry sleeping[3];
    for (std::size_t i = 0; i < 3; ++i) {
      sleeping[i].self = fake_processor(i);
      CHECK(idle.park(sleeping[i], false));
    }
    const std::size_t woken = skipped < 2 ? 2 - skipped : 0;
    CHECK(idle.take_to_wake(skipped) == fake_processor(woken));
    CHECK(idle.parked() == 2);
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(idle.leave(sleeping[i]) == (i != woken));
    }
    CHECK(idle.parked() == 0);
  }
}

TEST_CASE("idle_set: that so many are parked is told together with how often one has left") {
  idle_set idle;
  idle_entry sleeping[2];
  std::uint64_t departures = 7;
  CHECK(idle.are_parked(0, departures));
  CHECK(departures == 0);
  CHECK_FALSE(idle.are_parked(1, departures));
  for (idle_entry& entry : sleeping) {
    CHECK(idle.park(entry, false));
  }
  CHECK(idle.are_parked(2, departures));
  CHECK(departures == 0);
  CHECK(idle.leave(sleeping[0]));
  CHECK_FALSE(idle.are_parked(2, departures));
  CHECK(idle.are_parked(1, departures));
  CHECK(departures == 1);
}

TEST_CASE("idle_set: who is to be woken last comes behind those that are parked, and those that park later") {
  idle_set idle;
  idle_entry sleeping[5];
  const std::size_t order[] = {4, 3, 0, 1, 2};
  for (std::size_t i = 0; i < 5; ++i) {
    sleeping[i].self = fake_processor(i);
    sleeping[i].last = i == 1 || i == 2;
    CHECK(idle.park(sleeping[i], false));
  }
  for (const std::size_t expected : order) {
    CHECK(idle.take_to_wake() == fake_processor(expected));
    CHECK(idle.end_search());
  }
  CHECK(idle.parked() == 0);
}

TEST_CASE("idle_set: a wake is due only when nobody searches and somebody is parked") {
  idle_set idle;
  idle_entry first;
  idle_entry second;
  first.self = fake_processor(0);
  second.self = fake_processor(1);
  CHECK_FALSE(idle.needs_wake());
  CHECK(idle.take_to_wake() == nullptr);
  REQUIRE(idle.try_begin_search(4));
  CHECK(idle.park(first, true));  // stops searching by the same step
  CHECK(idle.searchers() == 0);
  CHECK(idle.parked() == 1);
  CHECK(idle.needs_wake());
  CHECK(idle.park(second, false));
  CHECK(idle.take_to_wake() == fake_processor(1));  // the one parked last
  CHECK(idle.searchers() == 1);
  CHECK(idle.parked() == 1);
  CHECK_FALSE(idle.needs_wake());
  CHECK(idle.take_to_wake() == nullptr);
  CHECK_FALSE(idle.leave(second));  // a waker took it: it is a searcher
  CHECK(idle.end_search());
  CHECK(idle.leave(first));
  CHECK(idle.parked() == 0);
  CHECK(idle.searchers() == 0);
}

TEST_CASE("idle_set: who parks beside a searcher leaves the last look to it") {
  idle_set idle;
  idle_entry first;
  idle_entry second;
  idle_entry third;
  REQUIRE(idle.try_begin_search(4));
  REQUIRE(idle.try_begin_search(4));
  CHECK_FALSE(idle.park(first, false));
  CHECK_FALSE(idle.park(second, true));
  CHECK(idle.park(third, true));
}

TEST_CASE("idle_set: an entry can leave from the middle") {
  idle_set idle;
  idle_entry entries[3];
  for (std::size_t i = 0; i < 3; ++i) {
    entries[i].self = fake_processor(i);
    REQUIRE(idle.park(entries[i], false));
  }
  CHECK(idle.leave(entries[1]));
  CHECK_FALSE(idle.leave(entries[1]));
  CHECK(idle.take_to_wake() == fake_processor(2));
  CHECK(idle.end_search());
  CHECK(idle.take_to_wake() == fake_processor(0));
  CHECK(idle.end_search());
  CHECK(idle.take_to_wake() == nullptr);
  CHECK(idle.parked() == 0);
}

TEST_CASE("idle_set: sleepers and wakers agree about every sleep") {
  constexpr std::size_t sleepers = 4;
  const std::size_t rounds = csp_test::scaled(20'000);
  struct seat {
    idle_entry entry;
    std::atomic<std::size_t> wakes{0};
  };
  idle_set idle;
  const auto seats = std::make_unique<seat[]>(sleepers);
  std::atomic<std::size_t> running{sleepers};
  std::atomic<std::size_t> wrong{0};
  std::atomic<std::size_t> woken_in_all{0};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < sleepers; ++i) {
    seats[i].entry.self = fake_processor(i);
    threads.emplace_back([&, i] {
      std::size_t woken = 0;
      // On a busy machine until the wakers have come to work.
      for (std::size_t round = 0; round < rounds || woken_in_all.load() == 0; ++round) {
        const bool searches = idle.try_begin_search(sleepers);
        static_cast<void>(idle.park(seats[i].entry, searches));
        if (round % 64 == 0) {
          std::this_thread::yield();
        }
        if (!idle.leave(seats[i].entry)) {
          ++woken;
          ++woken_in_all;
          while (seats[i].wakes.load() < woken) {  // its waker is about to say so
            csp::detail::cpu_relax();
          }
          static_cast<void>(idle.end_search());
        }
      }
      wrong += seats[i].wakes.load() != woken ? 1U : 0U;
      --running;
    });
  }
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      while (running.load() != 0) {
        if (const processor* const chosen = idle.take_to_wake()) {
          ++seats[index_of(chosen)].wakes;
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(wrong == 0);
  CHECK(idle.parked() == 0);
  CHECK(idle.searchers() == 0);
}
