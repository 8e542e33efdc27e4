// Signals as values on a channel.
#include "test/support/topologies.h"

#include <signal.h>
#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using csp_test::expectations;
using csp_test::on_each_topology;

namespace {

std::atomic<int> own_handler_calls{0};

void own_handler(int) { own_handler_calls.fetch_add(1); }

/// What is set for a signal.
using handler = void (*)(int);
handler handler_of(int number) {
  struct sigaction now {};
  ::sigaction(number, nullptr, &now);
  return now.sa_handler;
}

void send(int number) { static_cast<void>(::kill(::getpid(), number)); }

/// True when the system still holds one of them for the process; in a task, whose thread blocks them all.
bool is_pending(const std::vector<int>& numbers) {
  sigset_t pending;
  ::sigpending(&pending);
  return std::any_of(numbers.begin(), numbers.end(), [&](int number) { return ::sigismember(&pending, number) == 1; });
}

}  // namespace

TEST_CASE("signals arrive, and the former disposition comes back") {
  on_each_topology([](expectations& expect, unsigned) {
    expect(handler_of(SIGTERM) == SIG_DFL, "as it was");
    {
      const auto stop = csp::signals({SIGTERM, SIGUSR1, SIGINT});
      for (const int number : {SIGTERM, SIGUSR1, SIGTERM, SIGINT}) {
        send(number);
        expect(stop.recv().value_or(0) == number, "one arrives");
      }
      expect(stop.recv_for(2ms).status == csp::op_status::timeout, "once each");
      const auto copy = stop;
      send(SIGUSR1);
      expect(copy.recv().value_or(0) == SIGUSR1, "a copy is the same channel");
    }
    expect(handler_of(SIGTERM) == SIG_DFL && handler_of(SIGUSR1) == SIG_DFL, "as it was");
    ::signal(SIGUSR2, own_handler);
    const int before = own_handler_calls.load();
    static_cast<void>(csp::signals({SIGUSR2}));
    expect(handler_of(SIGUSR2) == own_handler, "as it was");
    send(SIGUSR2);
    while (own_handler_calls.load() == before) csp::yield();
    ::signal(SIGUSR2, SIG_DFL);
  });
}

TEST_CASE("each receiver that asks for a signal gets it") {
  on_each_topology([](expectations& expect, unsigned) {
    const auto first = csp::signals({SIGUSR1, SIGUSR2});
    const auto second = csp::signals({SIGUSR1});
    auto third = csp::signals({SIGUSR1, SIGTERM});
    send(SIGUSR1);
    for (const csp::receiver<int>* each : {&first, &second, static_cast<const csp::receiver<int>*>(&third)})
      expect(each->recv().value_or(0) == SIGUSR1, "all three");
    third = {};
    send(SIGUSR2);
    expect(first.recv().value_or(0) == SIGUSR2, "who asked");
    expect(second.try_recv().status == csp::op_status::would_block, "and nobody else");
    expect(handler_of(SIGTERM) == SIG_DFL, "nobody asks for it any more");
    expect(handler_of(SIGUSR1) != SIG_DFL, "but for this");
  });
}

TEST_CASE("a signal that all threads block is taken as well") {
  sigset_t mine;
  sigset_t before;
  sigemptyset(&mine);
  sigaddset(&mine, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &mine, &before);
  on_each_topology([](expectations& expect, unsigned) {
    send(SIGUSR1);  // pending before anybody asks
    const auto usr = csp::signals({SIGUSR1});
    for (int i = 0; i < 20; ++i) {
      expect(usr.recv().value_or(0) == SIGUSR1, "taken");
      if (i < 19) send(SIGUSR1);
    }
  });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST_CASE("real-time signals, and many at once into a channel that nobody reads") {
  on_each_topology([](expectations& expect, unsigned) {
    std::vector<int> numbers;
    for (int number = SIGRTMIN; number <= SIGRTMAX; ++number) numbers.push_back(number);
    const auto all = csp::signals(numbers);
    for (int round = 0; round < 10; ++round) {
      for (const int number : numbers) send(number);
    }
    std::set<int> got;
    while (got.size() < numbers.size()) got.insert(all.recv().value());
    expect(got == std::set<int>(numbers.begin(), numbers.end()), "none is lost");
    // More than the channel holds: what does not fit comes when there is room.
    while (all.size() < all.capacity()) {
      for (const int number : numbers) send(number);
      while (is_pending(numbers)) csp::yield();
    }
    send(SIGRTMAX);
    csp::sleep_for(1ms);
    for (std::size_t left = all.capacity(); left > 0; --left) expect(all.recv().has_value(), "what lay there");
    expect(all.recv_for(10s).status == csp::op_status::ok, "and what had to wait");
    // What were still pending when we go would do what it did before: end the program.
    while (is_pending(numbers)) static_cast<void>(all.recv_for(1ms));
  });
}

TEST_CASE("the channel is closed when the scheduler stops, and the next run has its own") {
  csp::receiver<int> left_over;
  for (int round = 0; round < 3; ++round) {
    const int got = csp::run([&] {
      left_over = csp::signals({SIGUSR1});
      send(SIGUSR1);
      return left_over.recv().value();
    });
    CHECK(got == SIGUSR1);
    CHECK(left_over.is_closed());
    CHECK(!left_over.recv().has_value());
    CHECK(handler_of(SIGUSR1) == SIG_DFL);
  }
  CHECK_THROWS_AS(csp::signals({SIGUSR1}), std::logic_error);
}

TEST_CASE("two schedulers: one that stops leaves the other's receiver at work") {
  csp::options options;
  options.processors = 1;
  csp::scheduler left(options);
  csp::scheduler right(options);
  left.start();
  right.start();
  auto first = left.spawn([] { return csp::signals({SIGUSR1}); }).join();
  auto second = right.spawn([] { return csp::signals({SIGUSR1}); }).join();
  send(SIGUSR1);
  CHECK(first.recv().value() == SIGUSR1);
  CHECK(second.recv().value() == SIGUSR1);
  left.stop();
  CHECK(!first.recv().has_value());
  send(SIGUSR1);
  CHECK(second.recv().value() == SIGUSR1);
  second = {};
  right.stop();
  CHECK(handler_of(SIGUSR1) == SIG_DFL);
}

TEST_CASE("what cannot be received is refused") {
  csp::run([] {
    for (const int number : {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, 0, -1, 65, 1000, 32}) {
      CAPTURE(number);
      CHECK_THROWS_AS(csp::signals({SIGUSR1, number}), std::invalid_argument);
    }
    CHECK_THROWS_AS(csp::signals(std::span<const int>()), std::invalid_argument);
    CHECK(handler_of(SIGUSR1) == SIG_DFL);
  });
}

TEST_CASE("receivers come and go while signals rain") {
  on_each_topology([](expectations& expect, unsigned) {
    const auto shelter = csp::signals({SIGUSR1, SIGUSR2});  // so that none of them ends the program
    std::atomic<bool> over{false};
    std::thread rain([&] {
      while (!over.load()) {
        send(SIGUSR1);
        send(SIGUSR2);
        std::this_thread::yield();
      }
    });
    csp::wait_group all;
    for (int task = 0; task < 3; ++task) {
      all.go([&] {
        for (std::size_t i = 0; i < csp_test::scaled(100); ++i) {
          const auto mine = csp::signals({SIGUSR1});
          expect(mine.recv().value_or(0) == SIGUSR1, "some");
          static_cast<void>(shelter.try_recv());
        }
      });
    }
    all.wait();
    over = true;
    csp::blocking([&] { rain.join(); });
    // The last ones may wait for a thread that takes them: without the shelter they would end the program.
    while (is_pending({SIGUSR1, SIGUSR2})) csp::yield();
  });
}
