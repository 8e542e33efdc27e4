// csp::blocking: the call runs elsewhere, the task waits, the processor goes on.
#include "test/support/topologies.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

using csp_test::expectations;
using csp_test::on_each_topology;
using namespace std::chrono_literals;

TEST_CASE("blocking: results, references and exceptions come back") {
  on_each_topology([](expectations& expect, unsigned) {
    std::string local = "before";
    expect(csp::blocking([&] {
             local += ", after";
             return local.size();
           }) == 13,
           "the value");
    expect(local == "before, after", "a reference to the caller's frame");
    expect(*csp::blocking([] { return std::make_unique<int>(3); }) == 3, "a move-only value");
    auto owned = std::make_unique<int>(4);
    expect(csp::blocking([mine = std::move(owned)] { return *mine; }) == 4, "a move-only callable");
    try {
      csp::blocking([]() -> int { throw std::runtime_error("from the pool"); });
      expect(false, "returned");
    } catch (const std::runtime_error& error) {
      expect(std::string(error.what()) == "from the pool", "the exception");
    }
  });
}

TEST_CASE("blocking: the call is on another thread, outside of any task") {
  on_each_topology([](expectations& expect, unsigned) {
    const pid_t here = ::gettid();
    expect(csp::blocking([] { return ::gettid(); }) != here, "another thread");
    // Operations in it act as in a plain thread.
    csp::chan<int> values;
    auto peer = csp::spawn([=] { return values.recv().value_or(0); });
    csp::blocking([&] {
      values.send(9);
      csp::sleep_for(1ms);
      csp::yield();
    });
    expect(peer.join() == 9, "sent from the call");
    const int outcome = csp::blocking([] {
      return csp::run([] { return 21; });  // a plain thread may
    });
    expect(outcome == 21, "csp::run in a call");
  });
}

TEST_CASE("blocking: in a plain thread it is a call") {
  const auto here = std::this_thread::get_id();
  CHECK(csp::blocking([] { return std::this_thread::get_id(); }) == here);
  CHECK_THROWS_AS(csp::blocking([] { throw 1; }), int);
}

TEST_CASE("blocking: many at once finish together, on one processor") {
  const std::size_t calls = 200;
  csp::options one;
  one.processors = 1;
  one.spares = 0;
  const auto before = csp_test::footprint::now();
  std::atomic<int> at_once{0};
  std::atomic<int> most{0};
  const auto start = std::chrono::steady_clock::now();
  csp::run(one, [&] {
    csp::wait_group all(static_cast<int>(calls));
    for (std::size_t i = 0; i < calls; ++i) {
      csp::go([&] {
        csp::blocking([&] {
          const int now = ++at_once;
          int seen = most.load();
          while (now > seen && !most.compare_exchange_weak(seen, now)) {
          }
          ::usleep(50'000);
          --at_once;
        });
        all.done();
      });
    }
    all.wait();
  });
  const auto took = std::chrono::steady_clock::now() - start;
  // One after the other they would take 10 s.
  CHECK(took < 5s);
  CHECK(most > 20);
  CHECK(csp_test::footprint::settled(before) == before);  // the pool's threads were joined
}

TEST_CASE("blocking: the processor runs others meanwhile, and the pool's threads are used again") {
  csp::options one;
  one.processors = 1;
  one.spares = 0;
  csp::run(one, [] {
    std::set<pid_t> threads;
    for (int i = 0; i < 50; ++i) {
      threads.insert(csp::blocking([] { return ::gettid(); }));
      csp::sleep_for(1ms);  // the thread is idle again
    }
    CHECK(threads.size() < 10);
    std::atomic<bool> inside{true};
    std::atomic<int> turns{0};
    csp::wait_group all(1);
    csp::go([&] {
      while (inside) {
        ++turns;
        csp::yield();
      }
      all.done();
    });
    csp::blocking([&] { ::usleep(50'000); });
    inside = false;
    all.wait();
    CHECK(turns > 10);
  });
}

TEST_CASE("blocking: a flood of short calls, each made once") {
  on_each_topology([](expectations& expect, unsigned) {
    const int calls = static_cast<int>(csp_test::scaled(2'000));
    std::atomic<int> made{0};
    csp::wait_group all(calls);
    for (int i = 0; i < calls; ++i) {
      csp::go([&] {
        made += csp::blocking([] { return 1; });
        all.done();
      });
    }
    all.wait();
    expect(made == calls, "every call was made once");
  });
}

TEST_CASE("blocking: run returns only after the calls that have started") {
  bool ended = false;
  csp::run([&] {
    csp::chan<void> started;
    csp::go([&, started] {
      csp::blocking([&] {
        started.send();
        ::usleep(50'000);
        ended = true;
      });
    });
    static_cast<void>(started.recv());
  });
  CHECK(ended);
}
