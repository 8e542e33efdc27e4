// csp::stay: while it lives, a task goes on where it was.
#include "test/support/topologies.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

using csp_test::expectations;
using csp_test::on_each_topology;
using namespace std::chrono_literals;

namespace {

/// One wait of some kind.
void wait_somehow(int kind, const csp::chan<int>& values) {
  csp::semaphore none(0);
  switch (kind % 7) {
    case 0:
      csp::yield();
      break;
    case 1:
      csp::sleep_for(20us);
      break;
    case 2:
      csp::spawn([] { csp::yield(); }).join();
      break;
    case 3:
      csp::select(csp::on_recv(values), csp::on_timeout(50us));
      break;
    case 4:
      csp::blocking([] { std::this_thread::yield(); });
      break;
    case 5:
      static_cast<void>(none.try_acquire_for(10us));
      break;
    default:
      static_cast<void>(values.recv());
  }
}

}  // namespace

TEST_CASE("stay: the same thread after every kind of wait, with work to steal all around") {
  on_each_topology([](expectations& expect, unsigned) {
    constexpr int tasks = 40;
    const int rounds = static_cast<int>(csp_test::scaled(300));
    csp::chan<int> values;
    csp::wait_group staying(tasks);
    csp::wait_group restless;
    csp::chan<void> over;
    // They talk, spawn and compute, so that there is always something to steal and to wake.
    for (int i = 0; i < 20; ++i) {
      restless.go([=] {
        while (!over.is_closed()) {
          csp::select(csp::on_send(values, 1), csp::on_recv(over), csp::on_timeout(100us));
          csp::spawn([] { csp::yield(); }).join();
        }
      });
    }
    for (int id = 0; id < tasks; ++id) {
      csp::go([&, id] {
        for (int round = 0; round < rounds; ++round) {
          wait_somehow(id + round, values);  // it may move here
          const csp::stay here;
          const pid_t home = ::gettid();
          for (int kind = 0; kind < 7; ++kind) {
            wait_somehow(kind, values);
            expect(::gettid() == home, "the same thread");
          }
        }
        staying.done();
      });
    }
    staying.wait();
    over.close();
    restless.wait();
  });
}

TEST_CASE("stay: nests, and ends with the outermost") {
  csp::options options;
  options.processors = 4;
  options.spares = 0;
  expectations expect;
  csp::run(options, [&] {
    csp::spawn([&] {
      auto outer = std::make_unique<csp::stay>();
      const pid_t home = ::gettid();
      {
        const csp::stay inner;
        csp::sleep_for(1ms);
        expect(::gettid() == home, "inside both");
      }
      csp::sleep_for(1ms);
      expect(::gettid() == home, "inside the outer one");
      outer.reset();
      // The task lets another one keep this thread busy; sooner or later it is taken elsewhere.
      bool moved = false;
      for (int i = 0; i < 1000 && !moved; ++i) {
        std::atomic<bool> busy{true};
        auto hog = csp::spawn([&] {
          while (busy) {
          }
        });
        csp::yield();
        moved = ::gettid() != home;
        busy = false;
        hog.join();
      }
      expect(moved, "free again");
    }).join();
  });
  expect.verify();
}

TEST_CASE("stay: does nothing in a plain thread and in a pinned task") {
  {
    const csp::stay outside;
    const csp::stay again;
    csp::sleep_for(1us);
  }
  on_each_topology([](expectations& expect, unsigned) {
    csp::spawn({.pinned = true}, [&] {
      const pid_t home = ::gettid();
      {
        const csp::stay here;
        csp::sleep_for(10us);
      }
      for (int i = 0; i < 50; ++i) {
        csp::sleep_for(10us);
        expect(::gettid() == home, "still pinned");
      }
    }).join();
    std::thread([] { const csp::stay here; }).join();
  });
}

TEST_CASE("stay: an exception and a cancellation end it") {
  on_each_topology([](expectations& expect, unsigned) {
    auto thrower = csp::spawn([] {
      const csp::stay here;
      csp::yield();
      throw 1;
    });
    bool caught = false;
    try {
      thrower.join();
    } catch (int) {
      caught = true;
    }
    expect(caught, "thrown");
    for (int i = 0; i < 20; ++i) {
      csp::chan<void> started;
      auto waiter = csp::spawn([=] {
        const csp::stay here;
        started.send();
        csp::sleep_for(1h);
      });
      static_cast<void>(started.recv());
      waiter.cancel();
      bool canceled = false;
      try {
        waiter.join();
      } catch (const csp::canceled&) {
        canceled = true;
      }
      expect(canceled, "canceled");
    }
  });
}
