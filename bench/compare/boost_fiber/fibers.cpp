// The worker threads of the Boost.Fiber twins (fibers.h).
#include "bench/compare/boost_fiber/fibers.h"

#include <mutex>
#include <optional>

namespace bench {
namespace {

namespace fibers = boost::fibers;

// Touched by the main thread only.
std::optional<workers> started;
std::optional<fibers::pooled_fixedsize_stack> pool;
bool suspend_idle = false;

}  // namespace

workers::workers(unsigned count, bool suspend) {
  if (count == 1) return;
  for (unsigned i = 1; i < count; ++i) {
    threads_.emplace_back([this, count, suspend] {
      fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(count, suspend);
      std::unique_lock lock(mutex_);
      done_.wait(lock, [this] { return stop_; });
    });
  }
  // The constructor of work_stealing waits until all of its threads are there, so this comes last.
  fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(count, suspend);
}

workers::~workers() {
  {
    std::unique_lock lock(mutex_);
    stop_ = true;
  }
  done_.notify_all();
  for (std::thread& t : threads_) t.join();
}

void start_workers(const measurement& m) {
  if (started) return;
  if (m.processors() == 1) pool.emplace();
  started.emplace(m.processors(), suspend_idle);
}

void stop_workers() { started.reset(); }

fibers::pooled_fixedsize_stack* stack_pool() { return pool ? &*pool : nullptr; }

void set_suspend(bool suspend) { suspend_idle = suspend; }

}  // namespace bench
