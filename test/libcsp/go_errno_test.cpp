// errno belongs to the task: kept over parks and migration, fresh in a new task.
#include "test/support/topologies.h"

#include <cerrno>
#include <chrono>

using csp_test::expectations;
using csp_test::on_each_topology;
using namespace std::chrono_literals;

namespace {

// The address of errno is looked up anew in each call: a compiler may keep it over a park, for the C library promises
// that it never changes.
__attribute__((noinline)) int get_errno() {
  asm volatile("" ::: "memory");
  return errno;
}
__attribute__((noinline)) void set_errno(int value) {
  asm volatile("" ::: "memory");
  errno = value;
}

}  // namespace

TEST_CASE("errno: each task keeps its own, over every kind of park") {
  on_each_topology([](expectations& expect, unsigned) {
    constexpr int tasks = 64;
    const int rounds = static_cast<int>(csp_test::scaled(100));
    csp::chan<int> unbuffered;
    csp::mutex lock;
    csp::wait_group all(tasks);
    for (int id = 1; id <= tasks; ++id) {
      csp::go([&, id] {
        expect(get_errno() == 0, "fresh in a new task");
        for (int round = 0; round < rounds; ++round) {
          const int mine = 1'000 * id + round;
          const auto check = [&](const char* where) { expect(get_errno() == mine, where); };
          set_errno(mine);
          csp::yield();
          check("yield");
          csp::sleep_for(10us);
          check("sleep");
          if (id % 2 == 0) {
            unbuffered.send(id);
          } else {
            static_cast<void>(unbuffered.recv());
          }
          check("channel");
          {
            const std::lock_guard guard(lock);
            csp::yield();
          }
          check("mutex");
          csp::spawn([] { set_errno(7); }).join();
          check("join");
        }
        all.done();
      });
    }
    all.wait();
  });
}

TEST_CASE("errno: a successful blocking call leaves the caller's alone") {
  csp::run([] {
    set_errno(55);
    csp::blocking([] { set_errno(66); });
    CHECK(get_errno() == 55);
  });
}
