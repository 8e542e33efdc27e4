// Fairness: whoever talks, yields or floods cannot keep others from running.
#include "test/support/topologies.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <vector>

using csp_test::expectations;
using csp_test::on_each_topology;
using namespace std::chrono_literals;

namespace {

/// A pair that hands a value to and fro until `over`; as many pairs as there are processors keep all of them busy.
void start_pairs(unsigned pairs, const std::atomic<bool>& over, csp::wait_group& all) {
  for (unsigned i = 0; i < pairs; ++i) {
    csp::chan<int> there;
    csp::chan<int> back;
    all.add(2);
    csp::go([=, &over, &all] {
      while (!over) {
        there.send(1);
        static_cast<void>(back.recv());
      }
      there.close();
      all.done();
    });
    csp::go([=, &all] {
      for (const int value : there) {
        back.send(value);
      }
      all.done();
    });
  }
}

}  // namespace

TEST_CASE("fairness: ping-pong pairs cannot starve a third task") {
  on_each_topology([](expectations& expect, unsigned processors) {
    std::atomic<bool> over{false};
    csp::wait_group all;
    start_pairs(processors, over, all);
    long turns = 0;
    all.go([&] {
      for (; turns < 200; ++turns) {
        csp::yield();
      }
      over = true;
    });
    all.wait();
    expect(turns == 200, "turns of the third task");
  });
}

TEST_CASE("fairness: tasks that yield share evenly") {
  csp::options one;
  one.processors = 1;
  one.spares = 0;  // one that helps on a machine of others would make two lines of it
  csp::run(one, [] {
    constexpr std::size_t tasks = 10;
    constexpr long turns = 1'000;
    std::vector<std::atomic<long>> counts(tasks);
    std::atomic<long> most_ahead{0};
    csp::wait_group all(tasks);
    for (std::size_t i = 0; i < tasks; ++i) {
      csp::go([&, i] {
        for (long turn = 0; turn < turns; ++turn) {
          ++counts[i];
          csp::yield();
          for (const std::atomic<long>& other : counts) {
            // Those that have begun: the first rounds start the others.
            if (other > 100) {
              most_ahead = std::max(most_ahead.load(), std::abs(counts[i] - other));
            }
          }
        }
        all.done();
      });
    }
    all.wait();
    CHECK(most_ahead < 100);
    for (const std::atomic<long>& count : counts) {
      CHECK(count == turns);
    }
  });
}

TEST_CASE("fairness: a task that only yields cannot starve others, nor those that plain threads spawn") {
  on_each_topology([](expectations& expect, unsigned processors) {
    std::atomic<bool> over{false};
    csp::wait_group all(static_cast<int>(processors));
    for (unsigned i = 0; i < processors; ++i) {
      csp::go([&] {
        while (!over) {
          csp::yield();
        }
        all.done();
      });
    }
    const int outside = csp::blocking([] { return csp::spawn([] { return 3; }).join(); });
    expect(outside == 3, "a task from outside ran");
    csp::sleep_for(1ms);
    csp::chan<int> values;
    auto sum = csp::spawn([=] {
      int result = 0;
      for (const int value : values) {
        result += value;
      }
      return result;
    });
    for (int i = 0; i < 10; ++i) {
      values.send(i);
    }
    values.close();
    expect(sum.join() == 45, "others talk");
    over = true;
    all.wait();
  });
}

TEST_CASE("fairness: a chain of tasks that spawn their successors cannot starve others") {
  on_each_topology([](expectations& expect, unsigned processors) {
    struct chain {
      static void link(const std::atomic<bool>& over, csp::wait_group& all) {
        if (over) {
          all.done();
        } else {
          csp::go([&] { link(over, all); });
        }
      }
    };
    std::atomic<bool> over{false};
    csp::wait_group all(static_cast<int>(processors));
    for (unsigned i = 0; i < processors; ++i) {
      csp::go([&] { chain::link(over, all); });
    }
    int turns = 0;
    for (; turns < 100; ++turns) {
      csp::yield();
    }
    csp::sleep_for(2ms);  // and timers fire
    over = true;
    all.wait();
    expect(turns == 100, "turns of the main task");
  });
}

TEST_CASE("fairness: a chain of tasks that spawn their successors lets all come to their turn who are in line") {
  csp::options one;
  one.processors = 1;
  one.spares = 0;
  csp::run(one, [] {
    constexpr long most = 1'000'000;  // else a task that is never started would end the test by its time-out
    struct chain {
      static void link(std::atomic<long>& links, const std::atomic<int>& waiting, csp::wait_group& all) {
        if (waiting != 0 && links < most) {
          ++links;
          all.go([&] { link(links, waiting, all); });
        }
      }
    };
    constexpr int crowd = 100;  // more than the local queue holds, in line when the chain begins
    std::atomic<int> waiting{crowd};
    std::atomic<long> links{0};
    csp::wait_group all;
    for (int i = 0; i < crowd; ++i) {
      all.go([&] { --waiting; });
    }
    chain::link(links, waiting, all);
    all.wait();
    CHECK(links < most);
  });
}

TEST_CASE("fairness: a flood of ready tasks does not hold up a due timer") {
  on_each_topology([](expectations& expect, unsigned processors) {
    std::atomic<bool> over{false};
    const int tasks = static_cast<int>(100 * processors);
    csp::wait_group all(tasks);
    for (int i = 0; i < tasks; ++i) {
      csp::go([&] {
        while (!over) {
          csp::yield();
        }
        all.done();
      });
    }
    csp::chan<void> bell;
    int rung = 0;
    csp::go([=] {
      for (int i = 0; i < 10; ++i) {
        csp::sleep_for(1ms);
        bell.send();
      }
      bell.close();
    });
    while (bell.recv()) {
      ++rung;
    }
    over = true;
    all.wait();
    expect(rung == 10, "timers fired");
  });
}

TEST_CASE("fairness: a due timer fires beside any number of tasks that yield") {
  csp::options one;
  one.processors = 1;
  one.spares = 0;  // a second one would take the timer over
  for (int tasks = 1; tasks <= 40; ++tasks) {
    CAPTURE(tasks);
    csp::run(one, [&] {
      constexpr long most = 1'000'000;  // else a timer that never fires would end the test by its time-out
      std::atomic<bool> over{false};
      std::atomic<long> turns{0};
      csp::wait_group all;
      for (int i = 0; i < tasks; ++i) {
        all.go([&] {
          while (!over && turns < most) {
            ++turns;
            csp::yield();
          }
        });
      }
      csp::sleep_for(100us);
      over = true;
      all.wait();
      CHECK(turns < most);
    });
  }
}

namespace {

/// Tasks that spawn others and end, a few more each time, until `over` or until there have been `most`.
struct flood {
  std::atomic<bool> over{false};
  long spawned = 0;
  long most = 0;
  csp::wait_group all;

  void go_on() {
    // Now and then two: so there are always newer ones beyond what the ring holds, and not too many to keep.
    const int more = spawned % 8 == 0 ? 2 : 1;
    for (int i = 0; i < more && !over && spawned < most; ++i) {
      ++spawned;
      all.go([this] { go_on(); });
    }
  }
};

}  // namespace

TEST_CASE("fairness: a task that has not started is not passed over for ever by newer ones") {
  csp::options one;
  one.processors = 1;
  one.spares = 0;
  csp::run(one, [] {
    constexpr int crowd = 1'500;  // more than a ring holds
    flood others;
    others.most = 1'000'000;  // else a task that is never started would end the test by its time-out
    for (int i = 0; i < crowd; ++i) {
      others.all.go([&, late = i == 1'400] { late ? others.over.store(true) : others.go_on(); });
    }
    others.all.wait();
    CHECK(others.spawned < others.most);
  });
}
