// Pinned tasks run on one thread for all their life, whoever wakes them; others move.
#include "test/support/topologies.h"

#include <atomic>
#include <chrono>
#include <set>
#include <thread>
#include <vector>

#include <unistd.h>

using csp_test::expectations;
using csp_test::on_each_topology;
using namespace std::chrono_literals;

TEST_CASE("pinned: one thread, over every kind of park and with work to steal all around") {
  on_each_topology([](expectations& expect, unsigned) {
    constexpr int pinned = 16;
    const int rounds = static_cast<int>(csp_test::scaled(200));
    csp::chan<int> values;
    csp::wait_group all(2 * pinned);
    for (int id = 0; id < pinned; ++id) {
      csp::go({.pinned = true}, [&, id] {
        const pid_t home = ::gettid();
        for (int round = 0; round < rounds; ++round) {
          switch ((id + round) % 3) {
            case 0:
              csp::yield();
              break;
            case 1:
              csp::sleep_for(10us);
              break;
            default:
              csp::spawn([] { csp::yield(); }).join();
          }
          expect(::gettid() == home, "the same thread");
          static_cast<void>(values.recv());
          expect(::gettid() == home, "the same thread after a receive");
        }
        all.done();
      });
      csp::go([&] {
        for (int round = 0; round < rounds; ++round) {
          values.send(round);
        }
        all.done();
      });
    }
    all.wait();
  });
}

TEST_CASE("pinned: tasks spawned from outside are spread over the processors") {
  csp::options options;
  options.processors = 4;
  csp::scheduler scheduler(options);
  scheduler.start();
  std::vector<csp::join_handle<pid_t>> handles;
  for (int i = 0; i < 8; ++i) {
    handles.push_back(scheduler.spawn({.pinned = true}, [] {
      const pid_t first = ::gettid();
      csp::sleep_for(1ms);
      return ::gettid() == first ? first : -1;
    }));
  }
  std::set<pid_t> threads;
  for (auto& handle : handles) {
    threads.insert(handle.join());
  }
  CHECK(threads.size() == 4);
  CHECK_FALSE(threads.contains(-1));
}

TEST_CASE("pinned: woken from a plain thread and from another scheduler") {
  csp::options options;
  options.processors = 2;
  csp::scheduler other(options);
  other.start();
  csp::run(options, [&] {
    csp::chan<int> values;
    auto subject = csp::spawn({.pinned = true}, [=] {
      const pid_t home = ::gettid();
      int moved = 0;
      long sum = 0;
      for (const int value : values) {
        sum += value;
        moved += ::gettid() != home ? 1 : 0;
      }
      return moved == 0 ? sum : -1;
    });
    auto remote = other.spawn([=] {
      for (int i = 0; i < 500; ++i) {
        values.send(1);
      }
    });
    std::thread plain([=] {
      for (int i = 0; i < 500; ++i) {
        values.send(1);
      }
    });
    remote.join();
    csp::blocking([&] { plain.join(); });
    values.close();
    CHECK(subject.join() == 1'000);
  });
}

TEST_CASE("pinned: a processor that only has pinned tasks, and one that floods, take turns") {
  csp::options one;
  one.processors = 1;
  csp::run(one, [] {
    std::atomic<bool> over{false};
    std::atomic<long> turns{0};
    csp::wait_group all(2);
    csp::go({.pinned = true}, [&] {
      while (!over) {
        csp::yield();
      }
      all.done();
    });
    csp::go([&] {
      for (int i = 0; i < 1'000; ++i) {
        csp::yield();
        ++turns;
      }
      over = true;
      all.done();
    });
    all.wait();
    CHECK(turns == 1'000);
  });
}
