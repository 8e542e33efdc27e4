// marl_bench: the rows of csp_bench that marl can run, with the same arguments and the same JSON lines.
//
// marl has no channels, no select and no yield, and its fibers end on the worker that started them. As its
// documentation shows: one scheduler with a worker for each processor, bound to the main thread, which waits and runs
// no tasks; the default stacks. Its mutex blocks the thread; a task that sleeps waits at a condition variable of its
// own.
#include <marl/conditionvariable.h>
#include <marl/event.h>
#include <marl/mutex.h>
#include <marl/scheduler.h>
#include <marl/waitgroup.h>

#include <chrono>
#include <utility>
#include <vector>

#include "bench/harness.h"
#include "bench/rows.h"

namespace bench {
namespace {

struct marl_peer {
  template <class F>
  static void run(const measurement& m, F fn) {
    marl::Scheduler::Config config;
    config.setWorkerThreadCount(static_cast<int>(m.processors()));
    marl::Scheduler scheduler(config);
    scheduler.bind();
    const marl::WaitGroup done(1);
    marl::schedule([&] {
      fn();
      done.done();
    });
    done.wait();
    marl::Scheduler::unbind();
  }

  template <class F>
  static void go(F fn) {
    marl::schedule(std::move(fn));
  }

  class group {
   public:
    explicit group(std::int64_t tasks) : left_(static_cast<unsigned>(tasks)) {}
    template <class F>
    void go(F fn) {
      marl::schedule([left = left_, fn = std::move(fn)]() mutable {
        fn();
        left.done();
      });
    }
    void wait() { left_.wait(); }

   private:
    marl::WaitGroup left_;
  };

  class gate {
   public:
    void wait() { opened_.wait(); }
    void open(std::int64_t) { opened_.signal(); }

   private:
    marl::Event opened_{marl::Event::Mode::Manual};
  };

  static void sleep_for(std::chrono::nanoseconds length) {
    marl::mutex mutex;
    marl::ConditionVariable never;
    marl::lock lock(mutex);
    never.wait_for(lock, length, [] { return false; });
  }

  using mutex = marl::mutex;

  class inbox {
   public:
    template <class F>
    void submit(F fn) {
      scheduler_->enqueue(marl::Task(std::move(fn)));
    }
    void close() {}

   private:
    marl::Scheduler* scheduler_ = marl::Scheduler::get();
  };
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::main_program(argc, argv, "marl", bench::all_rows<bench::marl_peer>()); }
