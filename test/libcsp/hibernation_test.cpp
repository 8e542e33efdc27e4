// Tasks whose stacks hibernate: they lose their memory while they wait, and notice nothing of it.
#include "sched/base/sanitizer.h"
#include "test/sched/child.h"
#include "test/support/topologies.h"

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using csp_test::check_in_child;
using csp_test::child_result;
using csp_test::expectations;
using csp_test::in_child;
using csp_test::on_each_topology;
using csp_test::with;
using namespace std::chrono_literals;

namespace {

// Frames of sanitizers are several times as large.
constexpr bool sanitized = csp::detail::sanitizer::address_sanitizer || csp::detail::sanitizer::thread_sanitizer;
constexpr std::size_t stack_kib = sanitized ? 256 : 32;
constexpr csp::task_options sleeper{.stack_size = stack_kib * 1024, .hibernates = true};

csp::options soon(unsigned processors = 1) {
  csp::options result = with(processors);
  result.hibernate_after = 1ms;
  return result;
}

bool skipped() {
  if (csp::can_hibernate()) {
    return false;
  }
  WARN("SKIPPED: the kernel does not grant userfaultfd here");
  return true;
}

/// Waits until so many stacks are asleep; false when that takes too long. In a task or a plain thread.
bool await_asleep(std::size_t count) {
  for (int i = 0; i < 60'000; ++i) {
    if (csp::hibernation_statistics().asleep >= count) {
      return true;
    }
    csp::sleep_for(1ms);
  }
  return false;
}

/// Something on a stack that tells whether it is what it was, and where it was.
class witness {
 public:
  explicit witness(std::uint64_t seed) : self_(this) {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      words_[i] = seed * 0x9E3779B97F4A7C15U + i;
    }
  }
  [[nodiscard]] bool intact(std::uint64_t seed) const {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      if (words_[i] != seed * 0x9E3779B97F4A7C15U + i) {
        return false;
      }
    }
    return self_ == this;
  }

 private:
  const witness* self_;
  std::array<volatile std::uint64_t, 40> words_{};
};

/// Frames of its own for each level, so that what is saved spans several pages.
[[gnu::noinline]] bool receive_below(int levels, std::uint64_t seed, const csp::chan<int>& from, int& value) {
  const witness mine(seed + static_cast<std::uint64_t>(levels));
  bool good = true;
  if (levels != 0) {
    good = receive_below(levels - 1, seed, from, value);
  } else {
    value = from.recv().value_or(-1);
  }
  return good && mine.intact(seed + static_cast<std::uint64_t>(levels));
}

}  // namespace

TEST_CASE("hibernation: a value reaches a sleeper, whose frames are where and what they were") {
  if (skipped()) {
    return;
  }
  on_each_topology(
      [](expectations& expect, unsigned) {
        constexpr int tasks = 300;
        std::vector<csp::chan<int>> inbox;
        csp::wait_group ended(tasks);
        for (int i = 0; i < tasks; ++i) {
          inbox.emplace_back();
          csp::go(sleeper, [&expect, &ended, from = inbox.back(), i] {
            for (int round = 0; round < 2; ++round) {
              int value = 0;
              expect(receive_below(i % 30, static_cast<std::uint64_t>(i), from, value), "a frame has changed");
              expect(value == i + round, "another value");
            }
            ended.done();
          });
        }
        for (int round = 0; round < 2; ++round) {
          expect(await_asleep(tasks), "some task stays awake");
          const csp::hibernation_figures seen = csp::hibernation_statistics();
          expect(seen.in_use == tasks, "a stack more or less than tasks");
          expect(seen.saved_bytes > 0 && seen.saved_bytes < tasks * stack_kib * 1024 / 2, "as much as before");
          for (int i = 0; i < tasks; ++i) {
            inbox[static_cast<std::size_t>(i)].send(i + round);
          }
        }
        ended.wait();
        const csp::hibernation_figures left = csp::hibernation_statistics();
        expect(left.asleep == 0 && left.saved_bytes == 0, "something sleeps without a task");
      },
      soon());
}

TEST_CASE("hibernation: every kind of wait sleeps and wakes") {
  if (skipped()) {
    return;
  }
  on_each_topology(
      [](expectations& expect, unsigned) {
        csp::chan<int> empty;
        csp::chan<int> other;
        csp::chan<int> silent;
        csp::chan<int> taken;
        csp::mutex lock;
        csp::mutex guard;
        csp::condition_variable changed;
        bool change = false;
        csp::semaphore permits(0);
        csp::wait_group began(1);
        csp::join_handle<int> slow = csp::spawn([&began] {
          began.wait();
          return 7;
        });
        std::unique_lock held(lock);
        csp::wait_group ended(9);
        const auto start = [&](auto body) {
          csp::go(sleeper, [&expect, &ended, body] {
            const witness mine(5);
            body();
            expect(mine.intact(5), "a frame has changed");
            ended.done();
          });
        };
        start([&] { expect(empty.recv() == 1, "receive"); });
        start([&] { taken.send(2); });
        start([&] {
          int got = 0;
          csp::select(csp::on_recv(other, [&](std::optional<int> value) { got = value.value_or(-1); }),
                      csp::on_recv(silent, [&](std::optional<int>) { got = -2; }),
                      csp::on_timeout(1h, [&] { got = -3; }));
          expect(got == 3, "select");
        });
        start([&] { csp::sleep_for(300ms); });
        start([&] {
          const std::lock_guard inside(lock);
          expect(true, "mutex");
        });
        start([&] {
          std::unique_lock inside(guard);
          changed.wait(inside, [&] { return change; });
        });
        start([&] { permits.acquire(); });
        start([&] { began.wait(); });
        start([&] { expect(slow.join() == 7, "join"); });
        // Those in a mutex stay awake: such waits are not cancellable, and nobody else may end them.
        expect(await_asleep(7), "some task stays awake");
        std::this_thread::yield();
        empty.send(1);
        expect(taken.recv() == 2, "the value of a sleeping sender");
        other.send(3);
        held.unlock();
        {
          const std::lock_guard inside(guard);
          change = true;
        }
        changed.notify_all();
        permits.release();
        began.done();
        ended.wait();
      },
      soon());
}

TEST_CASE("hibernation: a child ends a wait group on its sleeping parent's stack") {
  if (skipped()) {
    return;
  }
  on_each_topology(
      [](expectations& expect, unsigned) {
        csp::wait_group ended(1);
        csp::go(sleeper, [&] {
          csp::wait_group children(3);
          int sum = 0;
          csp::mutex lock;
          for (int i = 1; i <= 3; ++i) {
            csp::go([&, i] {
              expect(await_asleep(1), "the parent stays awake");
              {
                const std::lock_guard inside(lock);
                sum += i;
              }
              children.done();
            });
          }
          children.wait();
          expect(sum == 6, "a child's work is lost");
          ended.done();
        });
        ended.wait();
      },
      soon());
}

TEST_CASE("hibernation: whoever follows a pointer into a sleeping stack finds what is there") {
  if (skipped()) {
    return;
  }
  csp::run(soon(2), [] {
    csp::chan<int*> where(1);
    csp::chan<void> gate;
    csp::join_handle<int> parent = csp::spawn(sleeper, [&] {
      volatile int here = 41;
      where.send(const_cast<int*>(&here));
      static_cast<void>(gate.recv());
      return static_cast<int>(here);
    });
    volatile int* const there = *where.recv();
    for (int round = 0; round < 3; ++round) {
      REQUIRE(await_asleep(1));
      const std::uint64_t touches = csp::hibernation_statistics().touches;
      if (round == 0) {
        CHECK(*there == 41);
        CHECK(csp::hibernation_statistics().touches == touches + 1);
      } else if (round == 1) {
        *there = 42;
        CHECK(csp::hibernation_statistics().touches == touches + 1);
      } else {
        std::thread([there] { *there = *there + 1; }).join();
        CHECK(csp::hibernation_statistics().touches == touches + 1);
      }
    }
    gate.close();
    CHECK(parent.join() == 43);
  });
}

TEST_CASE("hibernation: exceptions, errno and destructors survive the sleep") {
  if (skipped()) {
    return;
  }
  csp::run(soon(), [] {
    csp::chan<void> gate;
    int destroyed = 0;
    struct counter {
      int& count;
      ~counter() { ++count; }
    };
    csp::join_handle<std::string> task = csp::spawn(sleeper, [&]() -> std::string {
      const counter first{destroyed};
      try {
        const counter second{destroyed};
        throw std::runtime_error("caught before");
      } catch (const std::runtime_error&) {
        errno = ENOTTY;
        static_cast<void>(gate.recv());
        if (errno != ENOTTY) {
          return "another errno";
        }
        try {
          throw;
        } catch (const std::runtime_error& again) {
          return again.what();
        }
      }
    });
    REQUIRE(await_asleep(1));
    CHECK(destroyed == 1);
    gate.close();
    CHECK(task.join() == "caught before");
    CHECK(destroyed == 2);
  });
}

TEST_CASE("hibernation: the end of a program cancels sleepers, and they unwind") {
  if (skipped()) {
    return;
  }
  for (const unsigned processors : {1U, 2U, 4U}) {
    constexpr std::size_t tasks = 5'000;
    std::atomic<std::size_t> unwound{0};
    csp::run(soon(processors), [&] {
      struct counter {
        std::atomic<std::size_t>& count;
        ~counter() { ++count; }
      };
      csp::chan<void> never;
      csp::wait_group began(tasks);
      for (std::size_t i = 0; i < tasks; ++i) {
        csp::go(sleeper, [&unwound, &began, never] {
          const counter mine{unwound};
          began.done();
          static_cast<void>(never.recv());
        });
      }
      began.wait();
      REQUIRE(await_asleep(tasks));
    });
    CHECK(unwound == tasks);
    CHECK(csp::hibernation_statistics().in_use == 0);
  }
}

TEST_CASE("hibernation: system calls meet the memory of a task that runs, and of one that waits for a thread") {
  if (skipped()) {
    return;
  }
  csp::run(soon(2), [] {
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    csp::join_handle<bool> reader = csp::spawn(sleeper, [&ends] {
      // Pages that nothing has touched yet.
      std::array<char, 16 * 1024> room;
      if (::write(ends[1], "ab", 2) != 2 || ::read(ends[0], room.data(), 2) != 2 || room[1] != 'b') {
        return false;
      }
      // In a thread of the blocking pool, while this task waits for long.
      const ssize_t count = csp::blocking([&] { return ::read(ends[0], room.data() + 100, 3); });
      return count == 3 && room[102] == 'e';
    });
    csp::sleep_for(50ms);
    CHECK(csp::hibernation_statistics().asleep == 0);
    REQUIRE(::write(ends[1], "cde", 3) == 3);
    CHECK(reader.join());
    ::close(ends[0]);
    ::close(ends[1]);
  });
}

TEST_CASE("hibernation: sleepers are listed with their names and spawn sites") {
  if (skipped()) {
    return;
  }
  csp::run(soon(), [] {
    csp::chan<void> gate;
    csp::task_options named = sleeper;
    named.name = "bear";
    csp::go(named, [gate] { static_cast<void>(gate.recv()); });
    REQUIRE(await_asleep(1));
    bool listed = false;
    for (const csp::task_info& each : csp::tasks()) {
      listed = listed || (each.name == "bear" && each.state == "chan receive" &&
                          each.file.find("hibernation_test.cpp") != std::string::npos);
    }
    CHECK(listed);
    CHECK(csp::hibernation_statistics().asleep == 1);
    gate.close();
  });
}

TEST_CASE("hibernation: a deadlock report names sleepers") {
  if (skipped()) {
    return;
  }
  const child_result result = in_child([] {
    csp::run(soon(), [] {
      csp::chan<void> gate;
      csp::task_options named = sleeper;
      named.name = "bear";
      csp::go(named, [gate] { static_cast<void>(gate.recv()); });
      check_in_child(await_asleep(1), "the task stays awake");
      static_cast<void>(gate.recv());
    });
  });
  CHECK(result.exited_with(2));
  CHECK(result.says("'bear'"));
}

TEST_CASE("hibernation: an overflow is named, awake or woken") {
  if (skipped()) {
    return;
  }
  struct deeper {
    // NOLINTNEXTLINE(misc-no-recursion): the point of the test
    [[gnu::noinline]] static int down(int levels) {
      volatile int room[64];
      room[0] = levels;
      return levels == 0 ? 0 : down(levels - 1) + room[0];
    }
  };
  const child_result result = in_child([] {
    csp::run(soon(), [] {
      csp::chan<void> gate;
      csp::task_options named = sleeper;
      named.name = "bear";
      csp::join_handle<int> task = csp::spawn(named, [gate] {
        static_cast<void>(gate.recv());
        return deeper::down(10'000);
      });
      check_in_child(await_asleep(1), "the task stays awake");
      gate.close();
      task.join();
    });
  });
  CHECK(result.died_of(SIGSEGV));
  CHECK(result.says("stack overflow in task 'bear'"));
  CHECK(result.says(std::to_string(stack_kib) + " KiB"));
}

TEST_CASE("hibernation: where the kernel refuses, tasks have ordinary stacks") {
  const child_result result = in_child([] {
    rlimit usual{};
    check_in_child(::getrlimit(RLIMIT_NOFILE, &usual) == 0, "getrlimit");
    const rlimit none{0, usual.rlim_max};
    check_in_child(::setrlimit(RLIMIT_NOFILE, &none) == 0, "setrlimit");
    check_in_child(!csp::can_hibernate(), "userfaultfd without file descriptors");
    check_in_child(::setrlimit(RLIMIT_NOFILE, &usual) == 0, "setrlimit");
    const int value = csp::run(soon(), [] {
      csp::join_handle<int> task = csp::spawn(sleeper, [] {
        csp::sleep_for(20ms);
        return 3;
      });
      return task.join();
    });
    check_in_child(value == 3, "another value");
    check_in_child(csp::hibernation_statistics().mapped_bytes == 0, "a mapping for nothing");
  });
  CHECK(result.exited_with(0));
  CHECK(result.text.empty());
}

TEST_CASE("hibernation: what cannot be is refused") {
  csp::run(soon(), [] {
    csp::heap_stacks heap;
    csp::task_options both = sleeper;
    both.stacks = heap;
    CHECK_THROWS_AS(csp::go(both, [] {}), std::invalid_argument);
    csp::task_options measured = sleeper;
    measured.measured_stack = true;
    CHECK_THROWS_AS(csp::go(measured, [] {}), std::invalid_argument);
    csp::task_options large = sleeper;
    large.stack_size = std::size_t{16} << 20;
    CHECK_THROWS_AS(csp::go(large, [] {}), std::invalid_argument);
  });
  csp::options instantly;
  instantly.hibernate_after = 0ms;
  CHECK_THROWS_AS(csp::run(instantly, [] {}), std::invalid_argument);
}
