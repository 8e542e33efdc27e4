// Misuse of libcsp/sync.h ends the program with one message that names the task and where it was spawned.
#include "test/sched/child.h"
#include "test/support/topologies.h"

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

using csp_test::child_result;
using csp_test::in_child;

namespace {

// Runs `act` in a task named "clumsy", and checks how the process ends.
template <class Act>
void expect_death(const std::string& message, Act act) {
  for (const unsigned processors : {1U, 2U}) {
    const unsigned line = __LINE__ + 5;
    const child_result result = in_child([&] {
      csp::options options;
      options.processors = processors;
      csp::run(options, [&] {
        csp::go({.name = "clumsy"}, [&] { act(); });
        csp::sleep_for(std::chrono::hours(1));
      });
    });
    INFO(result.text);
    CHECK(result.died_of(SIGABRT));
    CHECK(result.says(message));
    CHECK(result.says("'clumsy'"));
    CHECK(result.says("sync_misuse_test.cpp:" + std::to_string(line)));
    CHECK(std::count(result.text.begin(), result.text.end(), '\n') == 1);
  }
}

}  // namespace

TEST_CASE("misuse: unlocking a mutex that nobody holds") {
  expect_death("csp::mutex", [] {
    csp::mutex lock;
    lock.unlock();
  });
}

TEST_CASE("misuse: unlocking a mutex that another task holds") {
  static csp::mutex lock;
  expect_death("csp::mutex", [] {
    auto owner = csp::spawn([] { lock.lock(); });
    owner.join();
    lock.unlock();
  });
}

TEST_CASE("misuse: unlocking a mutex that a plain thread holds") {
  static csp::mutex lock;
  expect_death("csp::mutex", [] {
    csp::blocking([] { lock.lock(); });
    lock.unlock();
  });
}

TEST_CASE("misuse: waiting for a condition without the lock") {
  expect_death("csp::condition_variable", [] {
    csp::mutex lock;
    csp::condition_variable changed;
    std::unique_lock held(lock, std::defer_lock);
    changed.wait(held);
  });
}

TEST_CASE("misuse: more done than add") {
  expect_death("csp::wait_group", [] {
    csp::wait_group group(1);
    group.done();
    group.done();
  });
}

TEST_CASE("misuse: releasing a negative number of permits") {
  expect_death("csp::semaphore", [] {
    csp::semaphore permits(3);
    permits.release(-1);
  });
}

TEST_CASE("misuse by a plain thread is fatal too, and names no task") {
  const child_result result = in_child([] {
    csp::mutex lock;
    lock.unlock();
  });
  INFO(result.text);
  CHECK(result.died_of(SIGABRT));
  CHECK(result.says("csp::mutex"));
  CHECK(!result.says("spawned at"));
}
