// Spawning as fast as possible, from tasks, from plain threads, and onto pinned processors: every task runs once.
#include "test/support/ledger.h"
#include "test/support/topologies.h"

#include "sched/base/sanitizer.h"

#include <memory>
#include <thread>

#include <unistd.h>

namespace {

using csp_test::expectations;

// Tasks that may live at once: ThreadSanitizer has room for some 8,000 fibers.
std::size_t crowd() { return csp::detail::sanitizer::thread_sanitizer ? 1'000 : 20'000; }

std::size_t tree_size(unsigned depth) { return depth == 0 ? 1 : 1 + 4 * tree_size(depth - 1); }

// A tree of joined tasks; the number of nodes.
std::size_t grow(unsigned depth) {  // NOLINT(misc-no-recursion)
  if (depth == 0) {
    return 1;
  }
  std::vector<csp::join_handle<std::size_t>> children;
  for (int i = 0; i < 4; ++i) {
    children.push_back(csp::spawn([depth] { return grow(depth - 1); }));
  }
  std::size_t nodes = 1;
  for (auto& child : children) {
    nodes += child.join();
  }
  return nodes;
}

}  // namespace

TEST_CASE("bursts of tasks from tasks and threads at once") {
  csp_test::on_each_topology([](expectations& expect, unsigned) {
    const std::size_t bursts = csp_test::scaled(20);
    const std::size_t burst = crowd() / 4;
    std::atomic<std::size_t> runs{0};
    std::atomic<std::size_t> destroyed{0};
    // Counts the callable's own life too: each is destroyed once.
    struct witness {
      std::atomic<std::size_t>* count;
      explicit witness(std::atomic<std::size_t>& target) : count(&target) {}
      witness(witness&& other) noexcept : count(std::exchange(other.count, nullptr)) {}
      witness(const witness&) = delete;
      witness& operator=(const witness&) = delete;
      witness& operator=(witness&&) = delete;
      ~witness() {
        if (count != nullptr) {
          count->fetch_add(1);
        }
      }
    };
    const auto storm = [&] {
      for (std::size_t i = 0; i < bursts; ++i) {
        csp::wait_group group;
        group.add(static_cast<std::ptrdiff_t>(burst));
        for (std::size_t k = 0; k < burst; ++k) {
          csp::go([&runs, &group, mine = witness(destroyed), k] {
            runs.fetch_add(1);
            if (k % 16 == 0) {
              csp::yield();
            }
            group.done();
          });
        }
        group.wait();
      }
    };
    csp::wait_group all;
    all.go(storm);
    all.go(storm);
    std::thread first(storm);
    std::thread second(storm);
    all.wait();
    csp::blocking([&] {
      first.join();
      second.join();
    });
    expect(runs.load() == 4 * bursts * burst, "each task ran once");
    // A task's callable goes after its last statement: give the last ones their turn.
    while (destroyed.load() < 4 * bursts * burst) {
      csp::yield();
    }
    expect(destroyed.load() == 4 * bursts * burst, "each callable was destroyed once");
  });
}

TEST_CASE("a tree of joined tasks") {
  csp_test::on_each_topology([](expectations& expect, unsigned) {
    const unsigned depth = csp::detail::sanitizer::thread_sanitizer ? 5 : csp_test::scaled(10) < 10 ? 6 : 8;
    expect(grow(depth) == tree_size(depth), "every node is counted");
  });
}

TEST_CASE("pinned tasks stay on their thread while they talk to each other and to others") {
  csp_test::on_each_topology([](expectations& expect, unsigned) {
    constexpr std::size_t tasks = 16;
    const std::size_t laps = csp_test::scaled(4'000);
    std::vector<csp::chan<std::size_t>> ring(tasks);
    std::atomic<std::size_t> hops{0};
    csp::wait_group all;
    all.add(tasks);
    const auto member = [&](std::size_t i) {
      const bool pinned = i % 4 != 3;
      const pid_t home = ::gettid();
      for (std::size_t lap = 0; lap < laps; ++lap) {
        const std::size_t value = ring[i].recv().value();
        expect(value == lap * tasks + i, "the value comes round in order");
        expect(!pinned || ::gettid() == home, "a pinned task stays on its thread");
        hops.fetch_add(1, std::memory_order_relaxed);
        if (lap % 8 == i % 8) {
          csp::yield();
          expect(!pinned || ::gettid() == home, "also over a yield");
        }
        if (lap + 1 < laps || i + 1 < tasks) {
          ring[(i + 1) % tasks].send(value + 1);
        }
      }
      all.done();
    };
    csp::task_options options;
    for (std::size_t i = 0; i < tasks / 2; ++i) {
      options.pinned = i % 4 != 3;
      csp::go(options, [&member, i] { member(i); });
    }
    // From a plain thread they are dealt out to all processors.
    std::thread outside([&, options]() mutable {
      for (std::size_t i = tasks / 2; i < tasks; ++i) {
        options.pinned = i % 4 != 3;
        csp::go(options, [&member, i] { member(i); });
      }
    });
    ring[0].send(0);
    all.wait();
    csp::blocking([&] { outside.join(); });
    expect(hops.load() == laps * tasks, "every hop was made");
  });
}

TEST_CASE("pinned tasks in bursts") {
  csp_test::on_each_topology([](expectations& expect, unsigned) {
    const std::size_t bursts = csp_test::scaled(100);
    constexpr std::size_t burst = 200;
    std::atomic<std::size_t> runs{0};
    for (std::size_t i = 0; i < bursts; ++i) {
      csp::wait_group group;
      group.add(2 * burst);
      const auto body = [&] {
        const pid_t home = ::gettid();
        csp::yield();
        expect(::gettid() == home, "a pinned task stays");
        runs.fetch_add(1);
        group.done();
      };
      csp::task_options options;
      options.pinned = true;
      for (std::size_t k = 0; k < burst; ++k) {
        csp::go(options, body);
      }
      csp::blocking([&] {
        for (std::size_t k = 0; k < burst; ++k) {
          csp::go(options, body);
        }
      });
      group.wait();
    }
    expect(runs.load() == bursts * 2 * burst, "each ran once");
  });
}
