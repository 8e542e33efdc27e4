// The timer heap against a sorted map, and with several threads at it: a timer fires or is disarmed, never both.
#include "sched/timer_heap.h"

#include "sched/base/random.h"
#include "sched/thread_block.h"
#include "test/support/topologies.h"

#include <algorithm>
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

// A long random run beside a sorted map: timers up to `span` ahead are armed, disarmed and fired, while time goes on by
// up to a tenth of that at once. Without disarming the earliest time is told exactly.
void run_beside_map(nanos span, bool disarms) {
  constexpr std::size_t count = 300;
  random_source random(11);
  const auto below = [&](nanos bound) {
    return static_cast<nanos>((std::uint64_t{random.below(1U << 31)} << 31 | random.below(1U << 31)) %
                              static_cast<std::uint64_t>(bound));
  };
  timer_heap heap;
  std::vector<counted_timer*> fired;
  const auto timers = std::make_unique<counted_timer[]>(count);
  std::multimap<nanos, counted_timer*> model;
  for (std::size_t i = 0; i < count; ++i) {
    timers[i].order = &fired;
  }
  nanos now = 0;
  std::size_t seen = 0;
  for (int step = 0; step < 8'000; ++step) {
    counted_timer& subject = timers[random.below(count)];
    const std::uint32_t choice = random.below(10);
    if (step % 100 == 0) {
      REQUIRE(heap.size() == model.size());
    }
    if (choice < 5 && !subject.armed) {
      subject.when = now + below(below(4) == 0 ? span : span / 64 + 1);
      const bool earliest = model.empty() || subject.when < model.begin()->first;
      const bool told = heap.arm(subject);
      REQUIRE((told == earliest || (disarms && !told)));
      model.emplace(subject.when, &subject);
    } else if (choice < 8 && disarms) {
      const bool was_armed = subject.armed;
      REQUIRE(heap.disarm(subject) == was_armed);
      std::erase_if(model, [&](const auto& entry) { return entry.second == &subject; });
    } else {
      now += below(span / 10 + 1);
      const std::uint32_t limit = 1 + random.below(40);
      fired.clear();
      std::uint32_t due = 0;
      for (auto at = model.begin(); at != model.end() && at->first <= now && due < limit; ++at) {
        ++due;
      }
      REQUIRE(heap.fire_due(now, limit) == due);
      REQUIRE(fired.size() == due);
      seen += due;
      for (counted_timer* const timer : fired) {
        REQUIRE(timer->when == model.begin()->first);  // equal times may come in any order
        REQUIRE(timer->fired_at == now);
        REQUIRE_FALSE(timer->armed);
        std::erase_if(model, [&](const auto& entry) { return entry.second == timer; });
      }
      REQUIRE((due == limit || heap.earliest() > now));
    }
    const nanos first = model.empty() ? never : model.begin()->first;
    REQUIRE(heap.earliest() <= first);
    REQUIRE((heap.earliest() == never) == model.empty());
    if (!disarms) {
      REQUIRE(heap.earliest() == first);
    }
  }
  CHECK(seen > 1'000);
  heap.clear();
  CHECK(heap.size() == 0);
}

}  // namespace

TEST_CASE("timer_heap: agrees with a sorted map over a long random run") {
  // From all of them due soon to all levels of the wheel: a year is some 2^55 ns.
  constexpr nanos second = 1'000'000'000;
  for (const nanos span : {nanos{200}, second / 10'000, second / 100, second, 3600 * second, 365 * 86'400 * second}) {
    CAPTURE(span);
    run_beside_map(span, false);
    run_beside_map(span, true);
  }
}

TEST_CASE("timer_heap: the first timer is told and fired exactly, however far it is") {
  for (int bits = 0; bits < 62; ++bits) {
    for (const nanos offset : {nanos{0}, nanos{1}, (nanos{1} << bits) - 1}) {
      CAPTURE(bits, offset);
      timer_heap heap;
      counted_timer last;  // so that the other one is not alone, and goes to the wheel
      last.when = never - 1;
      CHECK(heap.arm(last));
      counted_timer one;
      one.when = (nanos{1} << bits) + offset;
      CHECK(heap.arm(one));
      REQUIRE(heap.earliest() == one.when);
      REQUIRE(heap.fire_due(one.when / 2, 1) == 0);
      REQUIRE(heap.earliest() == one.when);
      REQUIRE(heap.fire_due(one.when - 1, 1) == 0);
      REQUIRE(heap.earliest() == one.when);
      REQUIRE(heap.fire_due(one.when, 1) == 1);
      REQUIRE(heap.earliest() == last.when);
      REQUIRE(heap.disarm(last));
      REQUIRE(heap.earliest() == never);
      CHECK(heap.arm(one));  // alone
      REQUIRE(heap.fire_due(one.when - 1, 1) == 0);
      REQUIRE(heap.fire_due(one.when, 1) == 1);
    }
  }
}

TEST_CASE("timer_heap: thousands that fall due at once come in their order, in batches") {
  constexpr std::size_t count = 5'000;
  random_source random(5);
  timer_heap heap;
  std::vector<counted_timer*> fired;
  const auto timers = std::make_unique<counted_timer[]>(count);
  for (std::size_t i = 0; i < count; ++i) {
    timers[i].order = &fired;
    timers[i].when = 1'000'000'000 + random.below(1'000'000);
    heap.arm(timers[i]);
  }
  std::size_t left = count;
  while (left != 0) {
    const std::uint32_t taken = heap.fire_due(2'000'000'000, 7);
    REQUIRE(taken == std::min<std::size_t>(left, 7));
    left -= taken;
    REQUIRE(heap.size() == left);
  }
  CHECK(std::is_sorted(fired.begin(), fired.end(), [](auto* a, auto* b) { return a->when < b->when; }));
}

TEST_CASE("timer_heap: what is armed while a crowded slot is being emptied is told and comes in time") {
  constexpr std::size_t crowd = 1'000;  // more than are moved at once
  timer_heap heap;
  const auto timers = std::make_unique<counted_timer[]>(crowd);
  for (std::size_t i = 0; i < crowd; ++i) {
    timers[i].when = 6'500'000 + static_cast<nanos>(i);
    heap.arm(timers[i]);
  }
  REQUIRE(heap.fire_due(4'300'000, 1) == 0);  // the slot of the second level in which they all lie has begun
  counted_timer early;
  counted_timer disarmed;
  early.when = 5'000'000;
  disarmed.when = 4'900'000;
  CHECK(heap.arm(early));
  CHECK(heap.arm(disarmed));
  CHECK(heap.disarm(disarmed));
  CHECK(heap.earliest() <= early.when);
  CHECK(heap.fire_due(early.when, 10) == 1);
  CHECK(early.fired == 1);
  CHECK(heap.fire_due(7'000'000, 10'000) == crowd);
  CHECK(heap.earliest() == never);
}

TEST_CASE("timer_heap: until when timers are due that were armed for a short time is told") {
  constexpr nanos short_time = csp::detail::nanos{1} << timer_wheel::tick_shift << 6;  // as long as the lowest level
  timer_heap heap;
  counted_timer timers[4];
  const auto arm_at = [&](counted_timer& item, nanos when) {
    item.when = when;
    heap.arm(item);
  };
  const nanos now = 100 * short_time;
  static_cast<void>(heap.fire_due(now, 1));  // the wheel comes to this time
  arm_at(timers[0], now + 10 * short_time);
  CHECK(heap.brief_until() == 0);
  arm_at(timers[1], now + short_time);
  CHECK(heap.brief_until() == now + short_time);
  arm_at(timers[2], now + short_time / 2);
  CHECK(heap.brief_until() == now + short_time);
  arm_at(timers[3], now + 3 * short_time);
  CHECK(heap.brief_until() == now + short_time);
  CHECK(heap.clear() == 0);
  CHECK(heap.brief_until() == 0);
}

TEST_CASE("timer_heap: when the last timer has been disarmed, none is told") {
  timer_heap heap;
  counted_timer timers[3];
  for (counted_timer& timer : timers) {  // the first is alone, the others share a slot
    timer.when = 1'000'000'000 + (&timer - timers);
    heap.arm(timer);
  }
  for (counted_timer& timer : timers) {
    CHECK(heap.earliest() != never);
    CHECK(heap.disarm(timer));
  }
  CHECK(heap.earliest() == never);
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
    sleeper.publish_open(sleeper.next_ticket(), false);
    heap.arm(alarm);
  };
  arm();
  CHECK(heap.fire_due(10, 1) == 1);
  CHECK(sleeper.outcome() == wake_reason::timeout);
  CHECK(sleeper.parker.park_until(steady_now()));  // it was made ready once
  const std::uint64_t ticket = sleeper.next_ticket();
  arm();
  CHECK(sleeper.claim(ticket, wake_reason::first_case));
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
