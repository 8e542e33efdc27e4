// csp::after, csp::tick and csp::ticker.
#include "test/support/topologies.h"

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>

using namespace std::chrono_literals;
using csp_test::expectations;
using csp_test::on_each_topology;

namespace {

template <class Act>
bool is_refused(Act act) {
  try {
    act();
    return false;
  } catch (const std::invalid_argument&) {
    return true;
  }
}

}  // namespace

TEST_CASE("after sends the time once") {
  on_each_topology([](expectations& expect, unsigned) {
    const auto start = csp::clock::now();
    const auto alarm = csp::after(2ms);
    expect(alarm.try_recv().status == csp::op_status::would_block || csp::clock::now() - start >= 2ms, "not yet");
    const auto time = alarm.recv().value();
    expect(time - start >= 2ms && time <= csp::clock::now(), "the time when it fired");
    expect(alarm.recv_for(3ms).status == csp::op_status::timeout, "once, and the channel stays open");
    expect(csp::after(0s).recv().has_value() && csp::after(-1h).recv().has_value(), "at once");
    const auto far = csp::after(std::chrono::nanoseconds::max());
    expect(far.recv_for(1ms).status == csp::op_status::timeout, "never");
    // Abandoned, with the timer still set.
    for (int i = 0; i < 100; ++i) {
      static_cast<void>(csp::after(std::chrono::microseconds(i * 10)));
    }
    static_cast<void>(csp::after(1h));
    const auto from_thread = csp::blocking([] { return csp::after(1ms); });
    expect(from_thread.recv().has_value(), "set by a plain thread, received by a task");
    const auto to_thread = csp::after(1ms);
    expect(csp::blocking([&] { return to_thread.recv().has_value(); }), "and the other way round");
  });
}

TEST_CASE("earlier alarms are received before later ones") {
  csp::options options;
  options.processors = 1;
  options.spares = 0;
  expectations expect;
  csp::run(options, [&] {
    const auto start = csp::clock::now();
    const auto late = csp::after(30ms);
    const auto early = csp::after(10ms);
    const auto middle = csp::after(20ms);
    const auto third = late.recv().value();
    const auto first = early.try_recv().value.value();
    const auto second = middle.try_recv().value.value();
    expect(start + 10ms <= first && first <= second && second <= third && start + 30ms <= third, "in their order");
  });
  expect.verify();
}

TEST_CASE("a tick comes again and again, and does not pile up") {
  on_each_topology([](expectations& expect, unsigned) {
    const auto start = csp::clock::now();
    const auto ticks = csp::tick(1ms);
    auto last = start;
    for (int i = 1; i <= 5; ++i) {
      const auto time = ticks.recv().value();
      expect(time > last && time - start >= i * 1ms, "later each time, at most one a period");
      last = time;
    }
    csp::sleep_for(20ms);
    expect(ticks.size() <= 1 && ticks.capacity() == 1, "one tick is kept");
    expect(is_refused([] { static_cast<void>(csp::tick(0s)); }), "a period of zero");
    expect(is_refused([] { static_cast<void>(csp::tick(-1s)); }), "a negative period");
    expect(is_refused([] { const csp::ticker none(0s); }), "also of a ticker");
  });
}

TEST_CASE("a ticker is stopped and set again") {
  on_each_topology([](expectations& expect, unsigned) {
    csp::ticker clock(500us);
    const auto ticks = clock.channel();
    for (int i = 0; i < 3; ++i) {
      expect(ticks.recv().has_value(), "it ticks");
    }
    clock.stop();
    // One may lie in the channel; after it there is silence.
    static_cast<void>(ticks.try_recv());
    expect(ticks.recv_for(5ms).status == csp::op_status::timeout, "stopped, and not closed");
    clock.stop();
    clock.reset(300us);
    expect(ticks.recv().has_value() && ticks.recv().has_value(), "it ticks again");
    clock.reset(1h);
    static_cast<void>(ticks.try_recv());
    expect(ticks.recv_for(5ms).status == csp::op_status::timeout, "the next tick is an hour away");
    const auto start = csp::clock::now();
    clock.reset(2ms);
    expect(ticks.recv().value() - start >= 2ms, "a full period after the reset");
    expect(is_refused([&] { clock.reset(0s); }), "a period of zero");
    std::atomic<bool> stopped{false};
    std::thread outside([&] {
      clock.reset(200us);
      expect(ticks.recv().has_value(), "a plain thread sets it and receives");
      clock.stop();
      stopped.store(true);
    });
    csp::blocking([&] { outside.join(); });
    expect(stopped.load(), "and stops it");
  });
}

TEST_CASE("stop and reset race the ticks") {
  on_each_topology([](expectations& expect, unsigned) {
    csp::ticker clock(20us);
    const auto ticks = clock.channel();
    const std::size_t rounds = csp_test::scaled(5'000);
    csp::wait_group group;
    std::atomic<bool> over{false};
    std::atomic<std::size_t> received{0};
    group.go([&] {
      while (!over.load()) {
        received.fetch_add(ticks.recv_for(100us).status == csp::op_status::ok ? 1U : 0U);
      }
    });
    csp::wait_group setters;
    for (unsigned task = 0; task < 3; ++task) {
      setters.go([&, task] {
        for (std::size_t i = 0; i < rounds; ++i) {
          if ((i + task) % 3 == 0) {
            clock.stop();
          } else {
            clock.reset(std::chrono::microseconds(1 + (i + task) % 7));
          }
          if (i % 8 == 0) {
            csp::yield();
          }
        }
      });
    }
    std::thread outside([&] {
      for (std::size_t i = 0; i < rounds; ++i) {
        clock.reset(3us);
        if (i % 100 == 0) {
          std::this_thread::yield();  // costs a time slice on a busy machine
        }
      }
    });
    setters.wait();
    csp::blocking([&] { outside.join(); });
    clock.stop();
    over.store(true);
    group.wait();
    static_cast<void>(ticks.try_recv());
    expect(ticks.recv_for(2ms).status == csp::op_status::timeout, "the last stop holds");
    clock.reset(50us);
    expect(ticks.recv().has_value(), "and it still works");
  });
}

TEST_CASE("no tick comes after stop has returned, and a ticker is destroyed while it ticks") {
  on_each_topology([](expectations& expect, unsigned) {
    const std::size_t rounds = csp_test::scaled(4'000);
    csp::wait_group group;
    for (int task = 0; task < 3; ++task) {
      group.go([&] {
        for (std::size_t i = 0; i < rounds; ++i) {
          auto clock = std::make_unique<csp::ticker>(std::chrono::microseconds(1 + i % 5));
          const auto ticks = clock->channel();
          csp::sleep_for(std::chrono::microseconds(i % 7));
          if (i % 2 == 0) {
            clock->stop();
            static_cast<void>(ticks.try_recv());
            for (int look = 0; look < 4; ++look) {
              csp::yield();
              expect(ticks.try_recv().status == csp::op_status::would_block, "no tick after stop");
            }
          }
          clock.reset();
        }
      });
    }
    group.wait();
  });
}

TEST_CASE("a ticker outlives its run, and serves the next one") {
  for (const unsigned processors : {1U, 2U, 4U}) {
    CAPTURE(processors);
    csp::options options;
    options.processors = processors;
    std::optional<csp::ticker> clock;
    csp::receiver<csp::clock::time_point> ticks;
    csp::receiver<csp::clock::time_point> alarm;
    csp::run(options, [&] {
      clock.emplace(100us);
      ticks = clock->channel();
      alarm = csp::after(1h);
      static_cast<void>(ticks.recv());
    });
    // Nobody drives it now: at most the tick that lay in the channel.
    static_cast<void>(ticks.try_recv());
    CHECK(ticks.recv_for(5ms).status == csp::op_status::timeout);
    CHECK_THROWS_AS(clock->reset(1ms), std::logic_error);
    clock->stop();
    const bool again = csp::run(options, [&] {
      clock->reset(100us);
      return ticks.recv().has_value() && ticks.recv().has_value();
    });
    CHECK(again);
    static_cast<void>(ticks.try_recv());
    clock.reset();
    CHECK(ticks.try_recv().status == csp::op_status::would_block);
    CHECK(alarm.try_recv().status == csp::op_status::would_block);
  }
  CHECK_THROWS_AS(csp::ticker(1ms), std::logic_error);
  CHECK_THROWS_AS(csp::after(1ms), std::logic_error);
}
