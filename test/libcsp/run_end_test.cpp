// What happens to tasks that still live when the function given to csp::run returns.
#include "test/sched/child.h"
#include "test/support/topologies.h"

#include <atomic>
#include <chrono>
#include <csignal>
#include <vector>

#include <unistd.h>

using csp_test::expectations;
using csp_test::on_each_topology;
using csp_test::with;
using namespace std::chrono_literals;

namespace {

struct counted {
  std::atomic<int>* destroyed;
  explicit counted(std::atomic<int>& counter) : destroyed(&counter) {}
  counted(counted&& other) noexcept : destroyed(std::exchange(other.destroyed, nullptr)) {}
  counted& operator=(counted&&) = delete;
  ~counted() {
    if (destroyed != nullptr) {
      ++*destroyed;
    }
  }
};

}  // namespace

TEST_CASE("run end: tasks that wait are unwound, each once, before run returns") {
  for (const unsigned processors : {1U, 2U, 4U, 8U}) {
    constexpr int tasks = 200;
    std::atomic<int> destroyed{0};
    std::atomic<int> canceled{0};
    csp::run(with(processors), [&] {
      csp::chan<int> never;
      csp::wait_group waiting(tasks);
      for (int i = 0; i < tasks; ++i) {
        csp::go([&, never, i] {
          const counted local(destroyed);
          waiting.done();
          try {
            if (i % 2 == 0) {
              static_cast<void>(never.recv());
            } else {
              csp::sleep_for(24h);
            }
          } catch (const csp::canceled&) {
            ++canceled;
            throw;
          }
        });
      }
      waiting.wait();
    });
    CHECK(destroyed == tasks);
    CHECK(canceled == tasks);
    CHECK(csp::tasks().empty());
  }
}

TEST_CASE("run end: tasks that never started are destroyed and not run") {
  constexpr int tasks = 300;
  std::atomic<int> destroyed{0};
  std::atomic<int> ran{0};
  csp::run(with(1), [&] {
    for (int i = 0; i < tasks; ++i) {
      csp::go([&ran, owned = counted(destroyed)] { ++ran; });
    }
  });
  CHECK(destroyed == tasks);
  CHECK(ran == 0);
}

TEST_CASE("run end: the callable of a task that never started may wait in its destructor") {
  struct farewell {
    csp::chan<int> mailbox;
    std::atomic<int>* sent;
    farewell(csp::chan<int> to, std::atomic<int>& counter) : mailbox(std::move(to)), sent(&counter) {}
    farewell(farewell&& other) noexcept : mailbox(other.mailbox), sent(std::exchange(other.sent, nullptr)) {}
    farewell& operator=(farewell&&) = delete;
    ~farewell() {
      if (sent != nullptr) {
        mailbox.send(1);  // waits for the receiver
        ++*sent;
      }
    }
  };
  std::atomic<int> sent{0};
  std::atomic<int> received{0};
  csp::run(with(1), [&] {
    csp::chan<int> mailbox;
    csp::go([&, mailbox] {
      const csp::shield to_the_end;
      csp::sleep_for(20ms);  // the senders come first
      for (int i = 0; i < 3; ++i) {
        received += mailbox.recv().value_or(0);
      }
    });
    csp::yield();
    for (int i = 0; i < 3; ++i) {
      csp::go([last = farewell(mailbox, sent)] {});
    }
  });
  CHECK(sent == 3);
  CHECK(received == 3);
}

TEST_CASE("run end: tasks that unwinding tasks spawn are ended too") {
  std::atomic<int> started{0};
  std::atomic<int> destroyed{0};
  struct spawner {
    std::atomic<int>& started;
    std::atomic<int>& destroyed;
    ~spawner() {
      csp::go([this_started = &started, owned = counted(destroyed)] {
        ++*this_started;
        csp::sleep_for(24h);
      });
    }
  };
  csp::run(with(2), [&] {
    for (int i = 0; i < 10; ++i) {
      csp::go([&] {
        const spawner at_end{started, destroyed};
        csp::sleep_for(24h);
      });
    }
    csp::sleep_for(5ms);
  });
  CHECK(destroyed == 10);
  CHECK(csp::tasks().empty());
}

TEST_CASE("run end: a task that computes is waited for") {
  for (const unsigned processors : {1U, 2U}) {
    bool ended = false;
    csp::run(with(processors), [&] {
      csp::go([&] {
        const auto until = std::chrono::steady_clock::now() + 50ms;
        while (std::chrono::steady_clock::now() < until) {
        }
        ended = true;
      });
      csp::yield();
    });
    // On two processors it may not have started; then it must not have run at all.
    CHECK((ended || processors == 2));
    CHECK(csp::tasks().empty());
  }
}

TEST_CASE("run end: after the grace period the tasks that will not end are named, and run waits on") {
  const auto result = csp_test::in_child([] {
    csp::options options = with(2);
    options.grace = 100ms;
    csp::run(options, [] {
      csp::go({.name = "stubborn"}, [] {
        const csp::shield deaf;
        csp::sleep_for(600ms);
      });
      csp::yield();
      csp::sleep_for(20ms);
    });
    csp_test::check_in_child(csp::tasks().empty(), "run returned before the task had ended");
  });
  INFO(result.text);
  CHECK(result.exited_with(0));
  CHECK(result.says("these tasks were cancelled and have not ended"));
  CHECK(result.says("'stubborn'"));
  CHECK(result.says("run_end_test.cpp:"));
  CHECK(result.says("sleep"));
}

TEST_CASE("run end: no grace message when all end in time") {
  const auto result = csp_test::in_child([] {
    csp::options options = with(2);
    options.grace = 20s;
    csp::run(options, [] {
      csp::go([] {
        const csp::shield deaf;
        csp::sleep_for(50ms);
      });
      csp::sleep_for(5ms);
    });
  });
  INFO(result.text);
  CHECK(result.exited_with(0));
  CHECK(result.text.empty());
}

TEST_CASE("run end: on_stuck::abort ends the program after the message") {
  const auto result = csp_test::in_child([] {
    csp::options options = with(1);
    options.grace = 50ms;
    options.stuck = csp::on_stuck::abort;
    csp::run(options, [] {
      csp::go({.name = "stubborn"}, [] {
        const csp::shield deaf;
        csp::sleep_for(1h);
      });
      csp::yield();
    });
  });
  INFO(result.text);
  CHECK(result.died_of(SIGABRT));
  CHECK(result.says("'stubborn'"));
  CHECK(result.says("grace period"));
}
