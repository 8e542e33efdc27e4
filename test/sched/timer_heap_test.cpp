// The timer heap against a sorted map, and with several threads at it: a timer fires or is disarmed, never both.
#include "sched/timer_heap.h"

#include "sched/base/random.h"
#include "sched/thread_block.h"
#include "test/support/topologies.h"

#include <atomic>
#include <map>
#include <memory>
#include <thread>
#include <vector>

using namespace csp::detail;

namespace {

struct counted_timer : timer {
  std::atomic<int> fired{0};
  nanos fired_at = 0;
  std::vector<counted_timer*>* order = nullptr;

  counted_timer() {
    fire = [](timer& self, nanos now) noexcept {
      auto& mine = static_cast<counted_timer&>(self);
      mine.fired_at = now;
      mine.fired.fetch_add(1);
      if (mine.order != nullptr) {
        mine.order->push_back(&mine);
      }
    };
  }
};

}  // namespace

TEST_CASE("timer_heap: agrees with a sorted map over a long random run") {
  constexpr std::size_t count = 300;
  random_source random(11);
  timer_heap heap;
  std::vector<counted_timer*> fired;
  const auto timers = std::make_unique<counted_timer[]>(count);
  std::multimap<nanos, counted_timer*> model;
  for (std::size_t i = 0; i < count; ++i) {
    timers[i].order = &fired;
  }
  nanos now = 0;
  for (int step = 0; step < 60'000; ++step) {
    counted_timer& subject = timers[random.below(count)];
    const std::uint32_t choice = random.below(10);
    if (step % 100 == 0) {
      REQUIRE(heap.size() == model.size());
    }
    if (choice < 5 && !subject.armed) {
      subject.when = now + random.below(200);
      const bool earliest = model.empty() || subject.when < model.begin()->first;
      REQUIRE(heap.arm(subject) == earliest);
      model.emplace(subject.when, &subject);
    } else if (choice < 8) {
      const bool was_armed = subject.armed;
      REQUIRE(heap.disarm(subject) == was_armed);
      std::erase_if(model, [&](const auto& entry) { return entry.second == &subject; });
    } else {
      now += random.below(20);
      const std::uint32_t limit = 1 + random.below(8);
      fired.clear();
      std::uint32_t due = 0;
      for (auto at = model.begin(); at != model.end() && at->first <= now && due < limit; ++at) {
        ++due;
      }
      REQUIRE(heap.fire_due(now, limit) == due);
      REQUIRE(fired.size() == due);
      for (counted_timer* const timer : fired) {
        REQUIRE(timer->when == model.begin()->first);  // equal times may come in any order
        REQUIRE(timer->fired_at == now);
        REQUIRE_FALSE(timer->armed);
        std::erase_if(model, [&](const auto& entry) { return entry.second == timer; });
      }
    }
    REQUIRE(heap.earliest() == (model.empty() ? never : model.begin()->first));
  }
  CHECK(now > 1'000);
  heap.clear();
}

TEST_CASE("timer_heap: what is not due does not fire, and a disarmed timer can be armed again") {
  timer_heap heap;
  counted_timer one;
  CHECK(heap.earliest() == never);
  CHECK_FALSE(heap.disarm(one));
  one.when = 100;
  CHECK(heap.arm(one));
  CHECK(heap.fire_due(99, 10) == 0);
  CHECK(heap.disarm(one));
  CHECK_FALSE(heap.disarm(one));
  CHECK(heap.fire_due(1'000, 10) == 0);
  one.when = 50;
  CHECK(heap.arm(one));
  CHECK(heap.fire_due(50, 10) == 1);
  CHECK(one.fired == 1);
  CHECK_FALSE(heap.disarm(one));
}

TEST_CASE("timer_heap: clear tells each callback that it will not come again") {
  timer_heap heap;
  counted_timer timers[5];
  for (counted_timer& timer : timers) {
    timer.when = 10;
    heap.arm(timer);
  }
  heap.clear();
  for (const counted_timer& timer : timers) {
    CHECK(timer.fired == 1);
    CHECK(timer.fired_at == never);
  }
  CHECK(heap.earliest() == never);
}

TEST_CASE("timer_heap: a timer ends its wait with a timeout, and not one that came later") {
  timer_heap heap;
  thread_block sleeper;
  timer alarm;
  const auto arm = [&] {
    alarm.when = 10;
    alarm.sleeper = &sleeper;
    alarm.ticket = sleeper.next_ticket();
    sleeper.publish_open(alarm.ticket, false);
    heap.arm(alarm);
  };
  arm();
  CHECK(heap.fire_due(10, 1) == 1);
  CHECK(sleeper.outcome() == wake_reason::timeout);
  CHECK(sleeper.parker.park_until(steady_now()));  // it was made ready once
  arm();
  CHECK(sleeper.claim(alarm.ticket, wake_reason::first_case));
  CHECK(heap.fire_due(10, 1) == 1);  // taken out, but too late
  CHECK(sleeper.outcome() == wake_reason::first_case);
  CHECK_FALSE(sleeper.parker.park_until(steady_now()));
}

TEST_CASE("timer_heap: owners disarm while others fire; each arming has one end") {
  constexpr std::size_t threads = 3;
  const std::size_t rounds = csp_test::scaled(20'000);
  timer_heap heap;
  std::atomic<nanos> time{0};
  std::atomic<std::size_t> running{threads};
  std::atomic<std::size_t> wrong{0};
  std::atomic<std::size_t> disarmed{0};
  std::atomic<std::size_t> fired{0};
  std::vector<std::thread> all;
  for (std::size_t i = 0; i < threads; ++i) {
    all.emplace_back([&, i] {
      random_source random(i + 1);
      counted_timer mine[8];
      for (std::size_t round = 0; round < rounds; ++round) {
        counted_timer& subject = mine[round % 8];
        subject.fired = 0;
        subject.when = time.load() + random.below(30);
        heap.arm(subject);
        for (std::uint32_t pause = random.below(40); pause != 0; --pause) {
          cpu_relax();
        }
        while (round % 64 == 0 && subject.fired == 0) {  // now and then it may fire for sure
          std::this_thread::yield();
        }
        if (heap.disarm(subject)) {
          wrong += subject.fired != 0 ? 1U : 0U;
          ++disarmed;
        } else {
          while (subject.fired == 0) {  // taken out, its callback is about to run
            std::this_thread::yield();
          }
          wrong += subject.fired != 1 ? 1U : 0U;
          ++fired;
        }
      }
      --running;
    });
  }
  for (int i = 0; i < 2; ++i) {
    all.emplace_back([&] {
      while (running.load() != 0) {
        heap.fire_due(time.fetch_add(1), 4);
      }
    });
  }
  for (std::thread& thread : all) {
    thread.join();
  }
  CHECK(wrong == 0);
  CHECK(disarmed + fired == threads * rounds);
  CHECK(fired >= threads * (rounds / 64));
  CHECK(heap.earliest() == never);
}
