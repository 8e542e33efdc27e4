// Rows about how soon something starts: a new task elsewhere, a task that a plain thread submits, a sleeper beside a
// stuck processor, a short sleep. They note quantiles; the time per operation means little.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "bench/capabilities.h"
#include "bench/harness.h"
#include "bench/work.h"

namespace bench {

inline constexpr auto pause_length = std::chrono::milliseconds(1);    // every processor goes idle in it
inline constexpr int compute_chunk = 64;                              // steps between two looks: about 0.15 us
inline constexpr auto compute_limit = std::chrono::milliseconds(20);  // computing so long without a start is a miss

inline std::int64_t now_ns() {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// When the first of a burst's tasks started; shared with the tasks, which may end after the burst.
struct first_start {
  std::atomic<std::int64_t> at{0};
  void mark() {
    std::int64_t none = 0;
    at.compare_exchange_strong(none, now_ns());
  }
};

// After a pause a task spawns `burst` tasks and computes on: how long until the first of them starts, which only
// another processor can do. A burst of one shows how an idle processor is woken; a large one, whether queueing tasks
// gets in the way of handing them over. An op is one burst.
template <class P>
void burst_row(measurement& m, std::int64_t bursts, int burst) {
  std::vector<std::int64_t> latency(static_cast<std::size_t>(bursts));
  std::int64_t misses = 0;
  std::uint64_t h = 1;
  P::run(m, [&] {
    m.start();
    for (std::int64_t& slot : latency) {
      P::sleep_for(pause_length);
      const auto first = std::make_shared<first_start>();
      typename P::group group(burst);
      const std::int64_t begin = now_ns();
      for (int t = 0; t < burst; ++t) group.go([first] { first->mark(); });
      while (first->at.load(std::memory_order_relaxed) == 0) {
        h = mix_steps(h, compute_chunk);
        if (now_ns() - begin > std::chrono::nanoseconds(compute_limit).count()) {
          ++misses;
          break;
        }
      }
      group.wait();
      slot = first->at.load() - begin;
    }
    m.stop(bursts);
  });
  if (h == 0) m.fail("the computing went wrong");
  m.note_lateness(latency, "us", std::chrono::microseconds(1));
  m.note("misses", static_cast<double>(misses));
}

// A plain thread submits a task every millisecond: how long until it runs. An op is one task.
template <class P>
void submit_row(measurement& m) {
  const std::int64_t tasks = m.scaled(1000);
  std::vector<std::int64_t> latency(static_cast<std::size_t>(tasks));
  P::run(m, [&] {
    typename P::inbox inbox;
    typename P::gate all_ran;
    std::atomic<std::int64_t> left{tasks};
    m.start();
    std::thread plain([&] {
      for (std::int64_t& slot : latency) {
        std::this_thread::sleep_for(pause_length);
        const std::int64_t begin = now_ns();
        inbox.submit([&slot, &left, &all_ran, begin] {
          slot = now_ns() - begin;
          if (left.fetch_sub(1) == 1) all_ran.open(1);
        });
      }
    });
    all_ran.wait();
    m.stop(tasks);
    plain.join();
    inbox.close();
  });
  m.note_lateness(latency, "us", std::chrono::microseconds(1));
}

// One task computes for 20 ms at a time without a call into the library, with short sleeps between, so that it gets
// stuck on any processor; another sleeps a millisecond at a time: how late it wakes. An op is one such sleep.
template <class P>
void wake_stuck_row(measurement& m) {
  constexpr auto stuck_for = std::chrono::milliseconds(20);
  const std::int64_t naps = m.scaled(500);
  std::vector<std::int64_t> late(static_cast<std::size_t>(naps));
  std::uint64_t h = 1;
  P::run(m, [&] {
    std::atomic<bool> stop{false};
    typename P::group group(2);
    m.start();
    group.go([&] {
      while (!stop.load(std::memory_order_relaxed)) {
        P::sleep_for(pause_length);
        const std::int64_t end = now_ns() + std::chrono::nanoseconds(stuck_for).count();
        while (now_ns() < end) h = mix_steps(h, compute_chunk);
      }
    });
    group.go([&] {
      for (std::int64_t& slot : late) {
        const std::int64_t due = now_ns() + std::chrono::nanoseconds(pause_length).count();
        P::sleep_for(pause_length);
        slot = now_ns() - due;
      }
      stop = true;
    });
    group.wait();
    m.stop(naps);
  });
  if (h == 0) m.fail("the computing went wrong");
  m.note_lateness(late, "late_us", std::chrono::microseconds(1));
}

// One task, alone, sleeps for 1 to 100 us: how late it wakes. An op is one sleep.
template <class P>
void short_sleep_row(measurement& m) {
  constexpr int lengths[] = {1, 2, 5, 10, 20, 50, 100};  // us
  const std::int64_t rounds = m.scaled(300);
  std::vector<std::int64_t> late;
  late.reserve(static_cast<std::size_t>(rounds) * std::size(lengths));
  P::run(m, [&] {
    m.start();
    for (std::int64_t r = 0; r < rounds; ++r) {
      for (int length : lengths) {
        const std::int64_t due = now_ns() + std::int64_t{1000} * length;
        P::sleep_for(std::chrono::microseconds(length));
        late.push_back(now_ns() - due);
      }
    }
    m.stop(static_cast<std::int64_t>(late.size()));
  });
  m.note_lateness(late, "late_us", std::chrono::microseconds(1));
}

template <class P>
std::vector<row> latency_rows() {
  std::vector<row> rows;
  if constexpr (sleeps<P>) {
    rows.push_back({"go_compute", 2, [](measurement& m) { burst_row<P>(m, m.scaled(400), 1); }});
    rows.push_back({"spawn_burst", 2, [](measurement& m) { burst_row<P>(m, m.scaled(400), 1000); }});
    rows.push_back({"wake_stuck", 2, wake_stuck_row<P>});
    rows.push_back({"short_sleep", 1, short_sleep_row<P>});
  }
  if constexpr (takes_from_threads<P>) rows.push_back({"submit", 1, submit_row<P>});
  return rows;
}

}  // namespace bench
