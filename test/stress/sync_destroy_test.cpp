// A waiter destroys the object as soon as its wait returns, for each type of libcsp/sync.h, with tasks and plain
// threads on both sides. AddressSanitizer sees a waker that touches the object too late.
#include "test/support/ledger.h"
#include "test/support/topologies.h"

#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>

using csp_test::expectations;

namespace {

// Runs `meet(round, waiter side?)` in two parties again and again. `Object` is made for each round and handed over in
// `slot`; the waiter's side destroys it.
template <class Object, class Make, class Wait, class Wake>
void duel(expectations& expect, bool thread_waits, bool thread_wakes, std::size_t rounds, Make make, Wait wait,
          Wake wake) {
  const csp::chan<Object*> offers(1);
  std::atomic<std::size_t> waits{0};
  const auto waiter = [&] {
    for (std::size_t i = 0; i < rounds; ++i) {
      std::unique_ptr<Object> object(make());
      offers.send(object.get());
      wait(*object);
      object.reset();
      waits.fetch_add(1, std::memory_order_relaxed);
    }
    offers.close();
  };
  const auto waker = [&] {
    for (Object* const object : offers) {
      wake(*object);
    }
  };
  csp::wait_group tasks;
  std::thread first;
  std::thread second;
  if (thread_waits) {
    first = std::thread(waiter);
  } else {
    tasks.go(waiter);
  }
  if (thread_wakes) {
    second = std::thread(waker);
  } else {
    tasks.go(waker);
  }
  tasks.wait();
  csp::blocking([&] {
    for (std::thread* const each : {&first, &second}) {
      if (each->joinable()) {
        each->join();
      }
    }
  });
  expect(waits.load() == rounds, "every wait returned");
}

// All four mixes of tasks and threads; threads do fewer rounds.
template <class Object, class Make, class Wait, class Wake>
void duels(Make make, Wait wait, Wake wake, std::size_t plain_rounds = 40'000) {
  csp_test::on_each_topology([&](expectations& expect, unsigned) {
    const std::size_t rounds = csp_test::scaled(plain_rounds);
    csp::wait_group all;
    // Two at a time, so that the waker's processor is now and then elsewhere.
    all.go([&] { duel<Object>(expect, false, false, rounds, make, wait, wake); });
    all.go([&] { duel<Object>(expect, false, false, rounds, make, wait, wake); });
    all.wait();
    duel<Object>(expect, true, false, rounds / 10, make, wait, wake);
    duel<Object>(expect, false, true, rounds / 10, make, wait, wake);
    duel<Object>(expect, true, true, rounds / 10, make, wait, wake);
  });
}

/// Where one side polls for the other's step, a round of threads takes up to a time slice.
constexpr std::size_t polled_rounds = 10'000;

// Waits, with pauses, until `condition` holds.
template <class Condition>
void until(Condition condition) {
  while (!condition()) {
    csp::yield();
  }
}

}  // namespace

TEST_CASE("semaphore: destroyed by who acquired") {
  struct object {
    csp::semaphore permits{0};
  };
  duels<object>([] { return new object; }, [](object& it) { it.permits.acquire(); },
                [](object& it) { it.permits.release(); });
}

TEST_CASE("semaphore: destroyed by who acquired in time") {
  struct object {
    csp::semaphore permits{0};
  };
  duels<object>([] { return new object; },
                [](object& it) {
                  while (!it.permits.try_acquire_for(std::chrono::microseconds(20))) {
                  }
                },
                [](object& it) { it.permits.release(); });
}

TEST_CASE("wait_group: destroyed by who waited") {
  struct object {
    csp::wait_group group{2};
  };
  duels<object>([] { return new object; }, [](object& it) { it.group.wait(); },
                [](object& it) {
                  it.group.done();
                  it.group.done();
                });
}

TEST_CASE("mutex: destroyed by who locked it last") {
  struct object {
    csp::mutex lock;
    std::atomic<bool> locked{false};
  };
  duels<object>([] { return new object; },
                [](object& it) {
                  until([&] { return it.locked.load(); });
                  const std::lock_guard held(it.lock);
                },
                [](object& it) {
                  it.lock.lock();
                  it.locked.store(true);
                  csp::yield();  // lets the other one come and wait
                  it.lock.unlock();
                },
                polled_rounds);
}

TEST_CASE("condition_variable: destroyed by who was notified") {
  struct object {
    csp::mutex lock;
    csp::condition_variable changed;
    bool waits = false;  // guarded by lock
  };
  const auto wait = [](object& it) {
    std::unique_lock held(it.lock);
    it.waits = true;
    it.changed.wait(held);
  };
  const auto until_it_waits = [](object& it) {
    until([&] {
      const std::lock_guard held(it.lock);
      return it.waits;
    });
  };
  duels<object>([] { return new object; }, wait,
                [until_it_waits](object& it) {
                  until_it_waits(it);
                  it.changed.notify_one();
                });
  duels<object>([] { return new object; }, wait,
                [until_it_waits](object& it) {
                  until_it_waits(it);
                  it.changed.notify_all();
                });
}

TEST_CASE("once: destroyed by a call that found it done") {
  struct object {
    csp::once once;
    std::atomic<bool> begun{false};
    int result = 0;  // written in the call
  };
  duels<object>([] { return new object; },
                [](object& it) {
                  until([&] { return it.begun.load(); });
                  it.once.call([&] { it.result = -1; });
                  if (it.result != 1) {
                    std::abort();
                  }
                },
                [](object& it) {
                  it.once.call([&] {
                    it.begun.store(true);
                    csp::yield();
                    it.result = 1;
                  });
                },
                polled_rounds);
}

TEST_CASE("once: destroyed by a call that did not have to wait") {
  struct object {
    csp::once once;
    std::atomic<bool> almost{false};
    int result = 0;  // written in the call
  };
  duels<object>([] { return new object; },
                [](object& it) {
                  // The other call is about to return, or has.
                  until([&] { return it.almost.load(); });
                  it.once.call([&] { it.result = -1; });
                  if (it.result != 1) {
                    std::abort();
                  }
                },
                [](object& it) {
                  it.once.call([&] {
                    it.result = 1;
                    it.almost.store(true);
                  });
                });
}

TEST_CASE("join_handle and channel: destroyed by who joined or received") {
  csp_test::on_each_topology([](expectations& expect, unsigned processors) {
    const std::size_t rounds = csp_test::scaled(60'000);
    std::atomic<std::size_t> sum{0};
    csp::wait_group all;
    for (unsigned worker = 0; worker < 1 + processors; ++worker) {
      all.go([&] {
        for (std::size_t i = 0; i < rounds / (1 + processors); ++i) {
          csp::chan<std::size_t> answers;
          auto task = csp::spawn([to = csp::sender<std::size_t>(answers)] {
            to.send(1);
            return std::size_t{1};
          });
          const std::size_t received = answers.recv().value();
          answers = csp::chan<std::size_t>(csp::nil);
          sum.fetch_add(received + task.join(), std::memory_order_relaxed);
        }
      });
    }
    all.wait();
    expect(sum.load() == rounds / (1 + processors) * (1 + processors) * 2, "every answer came");
  });
}
