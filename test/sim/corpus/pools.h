// Defects of pools of workers: work that waits, is lost, or comes to nobody.
//
// Planted
// - full_queue_sleeps: a job that adds jobs to a full queue waits for room, which only workers like its own can make.
// - burst_wakes_one: who adds a job wakes a worker only when the queue was empty; a burst is worked off by one.
// - stop_drops_jobs: a worker looks whether it shall stop before it looks for jobs.
// - idle_workers_poll: a worker without work looks for it every millisecond.
#pragma once

#include "test/sim/corpus/corpus.h"

#include <deque>
#include <functional>
#include <optional>

namespace csp_test::corpus {

enum class pool_flaw { none, full_queue_sleeps, burst_wakes_one, stop_drops_jobs, idle_workers_poll };

/// A queue of jobs, and what each worker does.
class toy_pool {
 public:
  using job = std::function<void()>;

  explicit toy_pool(pool_flaw planted) : flaw_(planted) {}

  void add(job next) {
    std::unique_lock guard(lock_);
    if (flaw_ == pool_flaw::full_queue_sleeps) {
      changed_.wait(guard, [&] { return jobs_.size() < capacity; });
    }
    jobs_.push_back(std::move(next));
    if (flaw_ != pool_flaw::burst_wakes_one || jobs_.size() == 1) {
      changed_.notify_one();
    }
  }

  /// The workers end when there is nothing left to do.
  void stop() {
    const std::lock_guard guard(lock_);
    stopping_ = true;
    changed_.notify_all();
  }

  void work() {
    while (const auto next = take()) (*next)();
  }

 private:
  static constexpr std::size_t capacity = 2;  // of the queue that does not spill

  std::optional<job> take() {
    std::unique_lock guard(lock_);
    while (jobs_.empty() && !stopping_) {
      if (flaw_ == pool_flaw::idle_workers_poll) {
        guard.unlock();
        csp::sleep_for(1ms);
        guard.lock();
      } else {
        changed_.wait(guard);
      }
    }
    if (jobs_.empty() || (stopping_ && flaw_ == pool_flaw::stop_drops_jobs)) {
      return std::nullopt;
    }
    job next = std::move(jobs_.front());
    jobs_.pop_front();
    if (flaw_ == pool_flaw::full_queue_sleeps) changed_.notify_all();
    return next;
  }

  const pool_flaw flaw_;
  csp::mutex lock_;
  csp::condition_variable changed_;
  std::deque<job> jobs_;
  bool stopping_ = false;
};

inline pool_flaw flaw_if_planted(form shape, pool_flaw planted) {
  return shape == form::planted ? planted : pool_flaw::none;
}

inline void full_queue_sleeps(form shape) {
  toy_pool pool(flaw_if_planted(shape, pool_flaw::full_queue_sleeps));
  // A tree of jobs: 1 + 2 + 4.
  csp::wait_group jobs(7);
  const auto grow = [&](const auto& self, int levels) -> void {
    for (int child = 0; levels > 1 && child < 2; ++child) {
      pool.add([&self, levels] { self(self, levels - 1); });
    }
    jobs.done();
  };
  const auto work = [&] { pool.work(); };
  together(work, work, [&] {
    pool.add([&] { grow(grow, 3); });
    jobs.wait();
    pool.stop();
  });
}

inline void burst_wakes_one(form shape) {
  toy_pool pool(flaw_if_planted(shape, pool_flaw::burst_wakes_one));
  const auto work = [&] { pool.work(); };
  together(work, work, [&] {
    csp::sleep_for(1ms);  // until both workers are idle
    const auto start = csp::clock::now();
    const auto jobs = std::make_shared<csp::wait_group>(2);
    for (int i = 0; i < 2; ++i) {
      pool.add([jobs] {
        csp::sleep_for(1ms);
        jobs->done();
      });
    }
    jobs->wait();
    check(csp::clock::now() - start == 1ms, "both workers have worked");
    pool.stop();
  });
}

inline void stop_drops_jobs(form shape) {
  toy_pool pool(flaw_if_planted(shape, pool_flaw::stop_drops_jobs));
  std::atomic<int> done{0};
  together([&] { pool.work(); },
           [&] {
             for (int i = 0; i < 2; ++i) pool.add([&] { ++done; });
             pool.stop();
           });
  check(done == 2, "all jobs were done");
}

inline void idle_workers_poll(form shape) {
  toy_pool pool(flaw_if_planted(shape, pool_flaw::idle_workers_poll));
  std::atomic<int> done{0};
  together([&] { pool.work(); },
           [&] {
             csp::sleep_for(48h);
             pool.add([&] { ++done; });
             pool.stop();
           });
  check(done == 1, "the job was done");
}

}  // namespace csp_test::corpus
