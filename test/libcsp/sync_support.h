// What the tests of libcsp/sync.h share.
#pragma once

#include <libcsp/csp.h>

#include <cstddef>
#include <thread>
#include <vector>

namespace csp_test {

/// Until exactly `count` tasks wait for `state`, as csp::tasks() names it. From a task.
inline void until_waiting(const char* state, std::size_t count) {
  for (std::size_t waiting = count + 1; waiting != count;) {
    csp::yield();
    waiting = 0;
    for (const csp::task_info& task : csp::tasks()) {
      waiting += task.state == state ? 1U : 0U;
    }
  }
}

/// Runs `body(who)` in `tasks` tasks and `threads` plain threads, and waits for all. From a task.
template <class Body>
void run_mixed(int tasks, int threads, Body body) {
  csp::wait_group group;
  for (int i = 0; i < tasks; ++i) {
    group.go([&body, i] { body(i); });
  }
  std::vector<std::thread> outside;
  for (int i = 0; i < threads; ++i) {
    outside.emplace_back([&body, i, tasks] { body(tasks + i); });
  }
  group.wait();
  csp::blocking([&] {
    for (std::thread& each : outside) {
      each.join();
    }
  });
}

/// True when `wait()` ends by csp::canceled.
template <class Wait>
bool is_canceled(Wait wait) {
  try {
    wait();
    return false;
  } catch (const csp::canceled&) {
    return true;
  }
}

}  // namespace csp_test
