// How the Boost.Fiber twins run: its documented, normal configuration.
//
// One worker: round_robin, Boost.Fiber's default, with pooled_fixedsize_stack, the allocator that its documentation
// offers for reuse of stacks. More workers: work_stealing, one thread each, and the default fixedsize_stack: the pool
// is not thread-safe, and a fiber may end on another thread than the one that made it. Idle threads spin, which is
// work_stealing's default, or, with --suspend, sleep: some rows gain much by it, others lose, so both are measured.
// Boost.Fiber has no wait group; joining every fiber is its own way to wait for many.
#pragma once

#include <boost/fiber/all.hpp>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "bench/harness.h"

namespace bench {

// The threads beside the main thread. work_stealing registers its threads once in a process, so there is one object,
// made by the first row that needs it and stopped at the end of main.
class workers {
 public:
  workers(unsigned count, bool suspend);
  ~workers();

 private:
  boost::fibers::mutex mutex_;
  boost::fibers::condition_variable done_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

// Starts the workers of this row's number of processors, if they are not there yet.
void start_workers(const measurement& m);
void stop_workers();

// Whether idle threads of work_stealing sleep. Only before the first start_workers.
void set_suspend(bool suspend);

// A fiber that goes to the run queue, as csp::go and Go's go do, on the stack allocator explained above.
class spawner {
 public:
  explicit spawner(const measurement& m) : pooled_(m.processors() == 1) { start_workers(m); }

  template <class F>
  boost::fibers::fiber operator()(F fn) {
    using boost::fibers::launch;
    if (pooled_) return {launch::post, std::allocator_arg, pool_, std::move(fn)};
    return {launch::post, std::move(fn)};
  }

 private:
  bool pooled_;
  boost::fibers::pooled_fixedsize_stack pool_;
};

}  // namespace bench
