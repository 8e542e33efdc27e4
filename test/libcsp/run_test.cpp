// csp::run: what it returns, what it throws, what it refuses, and that it leaves nothing behind.
#include "test/sched/child.h"
#include "test/support/topologies.h"

#include <chrono>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include <sys/prctl.h>

using csp_test::expectations;
using csp_test::on_each_topology;

namespace {

int plain_function() { return 17; }

struct immovable_callable {
  immovable_callable() = default;
  immovable_callable(const immovable_callable&) = delete;
  immovable_callable& operator=(const immovable_callable&) = delete;
  int calls = 0;
  int operator()() { return ++calls; }
};

}  // namespace

TEST_CASE("run: returns the function's value") {
  CHECK(csp::run([] { return 42; }) == 42);
  CHECK(csp::run([] { return std::string(5'000, 'x'); }) == std::string(5'000, 'x'));
  CHECK(*csp::run([] { return std::make_unique<int>(7); }) == 7);
  CHECK(csp::run(plain_function) == 17);
  int ran = 0;
  csp::run([&] { ++ran; });
  CHECK(ran == 1);
}

TEST_CASE("run: calls the function in place, and once") {
  immovable_callable callable;
  CHECK(csp::run(callable) == 1);
  CHECK(csp::run(csp::options{}, callable) == 2);
  CHECK(callable.calls == 2);
}

TEST_CASE("run: rethrows what leaves the function, of any type") {
  for (const unsigned processors : {1U, 2U, 8U}) {
    csp::options options;
    options.processors = processors;
    CHECK_THROWS_AS(csp::run(options, [] { throw 42; }), int);
    CHECK_THROWS_WITH(csp::run(options, []() -> int { throw std::runtime_error("from inside"); }), "from inside");
    CHECK_THROWS_AS(csp::run(options, [] { throw csp::canceled(); }), csp::canceled);
  }
  CHECK(std::current_exception() == nullptr);
  CHECK(std::uncaught_exceptions() == 0);
}

TEST_CASE("run: an exception ends what still lives first") {
  bool destroyed = false;
  struct witness {
    bool& flag;
    ~witness() { flag = true; }
  };
  CHECK_THROWS_AS(csp::run([&] {
                    csp::wait_group started(1);
                    csp::go([&] {
                      const witness local{destroyed};
                      started.done();
                      static_cast<void>(csp::chan<int>(csp::nil).recv());
                    });
                    started.wait();
                    throw 1;
                  }),
                  int);
  CHECK(destroyed);
  CHECK(csp::tasks().empty());
}

TEST_CASE("run: is refused inside a task, which goes on") {
  on_each_topology([](expectations& expect, unsigned) {
    bool inner = false;
    try {
      csp::run([&] { inner = true; });
      expect(false, "run inside a task");
    } catch (const std::logic_error& error) {
      expect(std::string(error.what()).find("inside a task") != std::string::npos, "the message");
    }
    expect(!inner, "the inner function was called");
    expect(csp::spawn([] { return 3; }).join() == 3, "the outer run goes on");
  });
}

TEST_CASE("run: bad options are refused and nothing is left") {
  const auto before = csp_test::footprint::now();
  const auto refuse = [](const csp::options& wanted, const char* part) {
    bool called = false;
    std::string text;
    try {
      csp::run(wanted, [&] { called = true; });
    } catch (const std::invalid_argument& error) {
      text = error.what();
    }
    CAPTURE(part);
    CHECK_FALSE(called);
    CHECK(text.find(part) != std::string::npos);
  };
  refuse({.processors = 257}, "processors is 257");
  refuse({.spares = 10'000}, "spares is 10000");
  refuse({.stack_size = (std::size_t{8} << 20) + 1}, "stack_size is 8388609");
  refuse({.grace = std::chrono::milliseconds(-1)}, "grace");
  CHECK(csp_test::footprint::settled(before) == before);
}

TEST_CASE("run: the environment is read, bad values are refused, and options go before it") {
  const auto result = csp_test::in_child([] {
    using csp_test::check_in_child;
    const auto refused = [] {
      try {
        csp::run([] {});
        return std::string();
      } catch (const std::invalid_argument& error) {
        return std::string(error.what());
      }
    };
    for (const char* const bad : {"0", "-3", "many", "257", "2x"}) {
      ::setenv("CSP_PROCESSORS", bad, 1);
      const std::string text = refused();
      check_in_child(text.find("CSP_PROCESSORS") != std::string::npos && text.find(bad) != std::string::npos,
                     std::string("CSP_PROCESSORS=") + bad + " gave: " + text);
      csp::options two;
      two.processors = 2;
      check_in_child(csp::run(two, [] { return 5; }) == 5, "an option makes the environment irrelevant");
    }
    ::setenv("CSP_PROCESSORS", "3", 1);
    check_in_child(csp::scheduler().processors() == 3, "three processors from the environment");
    for (const char* const bad : {"1", "9M", "64q", "-64k"}) {
      ::setenv("CSP_STACK", bad, 1);
      check_in_child(refused().find("CSP_STACK") != std::string::npos, std::string("CSP_STACK=") + bad);
    }
    ::setenv("CSP_STACK", "64k", 1);
    check_in_child(refused().empty(), "CSP_STACK=64k");
  });
  INFO(result.text);
  CHECK(result.exited_with(0));
}

TEST_CASE("run: again and again, from one thread and from several at once") {
  const auto before = csp_test::footprint::now();
  csp::options options;
  options.processors = 2;
  long sum = 0;
  const auto rounds = static_cast<long>(csp_test::scaled(200));
  for (long i = 0; i < rounds; ++i) {
    sum += csp::run(options, [i] { return csp::spawn([i] { return i; }).join(); });
  }
  CHECK(sum == rounds * (rounds - 1) / 2);
  std::atomic<long> ended{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10; ++i) {
        ended += csp::run(options, [] {
          csp::chan<int> values;
          csp::go([=] { values.send(1); });
          return values.recv().value_or(0);
        });
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(ended == 30);
  CHECK(csp_test::footprint::settled(before) == before);
}

TEST_CASE("run: timed waits are asked for to a few microseconds, and the caller's thread is left as it was") {
  constexpr int asked_for = 70'000;
  const int before = ::prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
  if (before <= 0) {
    WARN("SKIPPED: the timer slack of this thread is not known");
    return;
  }
  REQUIRE(::prctl(PR_SET_TIMERSLACK, asked_for, 0, 0, 0) == 0);
  for (const unsigned processors : {1U, 2U}) {
    csp::run(csp_test::with(processors), [] {
      for (int i = 0; i < 20; ++i) {
        CHECK(::prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0) <= 10'000);
        csp::sleep_for(std::chrono::microseconds(100));
      }
    });
    CHECK(::prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0) == asked_for);
  }
  ::prctl(PR_SET_TIMERSLACK, before, 0, 0, 0);
}
