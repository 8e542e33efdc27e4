// What the conformance tests share: people who are tasks, plain threads or both, and a way to know that somebody waits
// on a channel, so that no test sleeps and hopes.
//
// Each case runs on 1, 2, 4 and 8 processors with four casts of people. A body starts its people with crew::add, calls
// crew::join, and reports through `expect`.
#pragma once

#include "test/support/topologies.h"

#include "channel/channel.h"

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

namespace csp_test {

/// Who takes part: the kinds of crew members, in the order in which they are added.
enum class cast { tasks, threads, task_first, thread_first };

/// Functions that run at once, each in a task or in a plain thread.
class crew {
 public:
  explicit crew(cast who) : who_(who) {}
  crew(const crew&) = delete;
  crew& operator=(const crew&) = delete;
  ~crew() { join(); }

  /// Starts the next one. `fn` must not throw.
  template <class F>
  void add(F fn) {
    const bool even = added_++ % 2 == 0;
    const bool in_thread =
        who_ == cast::threads || (who_ == cast::task_first && !even) || (who_ == cast::thread_first && even);
    group_.add();
    auto body = [this, fn = std::move(fn)]() mutable {
      fn();
      group_.done();
    };
    if (in_thread) {
      threads_.emplace_back(std::move(body));
    } else {
      csp::go(std::move(body));
    }
  }

  /// Waits until all have ended; more may be added then.
  void join() {
    group_.wait();
    for (std::thread& member : threads_) {
      member.join();
    }
    threads_.clear();
  }

 private:
  const cast who_;
  std::size_t added_ = 0;
  csp::wait_group group_;
  std::vector<std::thread> threads_;
};

/// Runs `body` with every cast on 1, 2, 4 and 8 processors.
inline void on_each_cast(const std::function<void(expectations& expect, crew& people)>& body,
                         const csp::options& options = {}) {
  for (const cast who : {cast::tasks, cast::threads, cast::task_first, cast::thread_first}) {
    CAPTURE(static_cast<int>(who));
    on_each_topology(
        [&](expectations& expect, unsigned) {
          crew people(who);
          body(expect, people);
          people.join();
        },
        options);
  }
}

/// The length of a wait queue: a probe at the tail finds all before it.
inline std::size_t length_of(csp::detail::wait_queue& queue, csp::detail::spinlock& lock) {
  const csp::detail::spinlock_guard guard(lock);
  csp::detail::wait_node probe;
  queue.push(probe);
  std::size_t count = 0;
  for (const csp::detail::wait_node* at = probe.previous; at != nullptr; at = at->previous) {
    ++count;
  }
  queue.remove(probe);
  return count;
}

/// How many operations, plain ones and arms of selects, wait to receive from the channel, or to send to it. Who is
/// counted waits: it has left its stack, or its thread is about to sleep.
template <class Handle>
std::size_t waiting_to_receive(const Handle& handle) {
  return length_of(handle.pointer()->receivers, handle.pointer()->lock);
}
template <class Handle>
std::size_t waiting_to_send(const Handle& handle) {
  return length_of(handle.pointer()->senders, handle.pointer()->lock);
}

/// Lets the others run until `condition` holds. A minute without it ends the program: something that had to happen did
/// not, and what hangs on it would hang the test.
template <class Condition>
void await(Condition condition, csp::source_location site = csp::source_location::current()) {
  const auto start = std::chrono::steady_clock::now();
  while (!condition()) {
    if (std::chrono::steady_clock::now() - start > std::chrono::minutes(1)) {
      std::fprintf(stderr, "%s:%u: awaited in vain\n", site.file_name(), static_cast<unsigned>(site.line()));
      std::abort();
    }
    csp::yield();
  }
}

/// True when `fn` throws an Error.
template <class Error, class F>
bool throws(F&& fn) {
  try {
    fn();
  } catch (const Error&) {
    return true;
  }
  return false;
}

}  // namespace csp_test
