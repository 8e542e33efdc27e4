// A blocked select costs no processor time and makes no wake-ups, however many channels it waits on, in tasks and in
// plain threads, with a distant timeout and without.
#include "test/conformance/crew.h"

#include <ctime>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using csp::chan;
using csp::on_recv;
using csp_test::await;

std::chrono::nanoseconds processor_time() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

// What one waits for.
struct waiting_room {
  std::vector<chan<int>> quiet;
  chan<int> end;
  explicit waiting_room(std::size_t channels) {
    for (std::size_t i = 0; i < channels; ++i) {
      quiet.emplace_back(i % 2);
    }
  }
  void wait(bool with_timeout) const {
    csp::select_list list;
    for (const auto& channel : quiet) {
      list.add(on_recv(channel));
    }
    list.add(on_recv(end));
    if (with_timeout) {
      list.add(csp::on_timeout(1h));
    }
    list.run();
  }
};

// One tenth of what a single waiter that polls would use in the time watched.
constexpr auto watched = 200ms;
constexpr auto allowed = 20ms;

}  // namespace

TEST_CASE("idle: a blocked select uses no processor time, in a task or in a plain thread") {
  for (const unsigned processors : {1U, 2U, 4U, 8U}) {
    for (const bool with_timeout : {false, true}) {
      CAPTURE(processors, with_timeout);
      const waiting_room room(64);
      csp::options wanted;
      wanted.processors = processors;
      csp::scheduler tasks(wanted);
      tasks.start();
      constexpr std::size_t waiters = 6;
      std::vector<std::thread> threads;
      for (std::size_t i = 0; i < waiters; ++i) {
        if (i % 2 == 0) {
          tasks.go([&] { room.wait(with_timeout); });
        } else {
          threads.emplace_back([&] { room.wait(with_timeout); });
        }
      }
      await([&] { return csp_test::waiting_to_receive(room.end) == waiters; });
      // Who found nothing looks around for a moment before it sleeps.
      for (auto sleeps = tasks.stats().sleeps;; sleeps = tasks.stats().sleeps) {
        std::this_thread::sleep_for(20ms);
        if (tasks.stats().sleeps == sleeps) {
          break;
        }
      }
      const auto sleeps_before = tasks.stats().sleeps;
      const auto switches_before = tasks.stats().switches;
      const auto before = processor_time();
      std::this_thread::sleep_for(watched);
      const auto used = processor_time() - before;
      CHECK(used < allowed);
      CHECK(tasks.stats().sleeps == sleeps_before);  // a thread that woke would have gone to sleep again
      CHECK(tasks.stats().switches == switches_before);
      room.end.close();
      for (std::thread& thread : threads) {
        thread.join();
      }
      tasks.drain();
      for (const auto& channel : room.quiet) {
        CHECK(csp_test::waiting_to_receive(channel) == 0);
      }
    }
  }
}
