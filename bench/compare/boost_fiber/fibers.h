// How the rows run Boost.Fiber: its documented, normal configuration.
//
// One worker: round_robin, Boost.Fiber's default, with pooled_fixedsize_stack, the allocator that its documentation
// offers for reuse of stacks. More workers: work_stealing, one thread each, and the default fixedsize_stack: the pool
// is not thread-safe, and a fiber may end on another thread than the one that made it. Idle threads spin, which is
// work_stealing's default, or, with --suspend, sleep: some rows gain much by it, others lose, so both are measured.
// Boost.Fiber has no wait group; joining every fiber is its own way to wait for many. It has no select.
#pragma once

#include <boost/fiber/all.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "bench/harness.h"

namespace bench {

// The threads beside the main thread. work_stealing registers its threads once in a process, so there is one object,
// made by the first row and stopped at the end of main.
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

// The pool of stacks for one worker; null for more.
boost::fibers::pooled_fixedsize_stack* stack_pool();

// A fiber that goes to the run queue, as csp::go and Go's go do.
template <class F>
boost::fibers::fiber post(F fn) {
  using boost::fibers::launch;
  if (auto* pool = stack_pool()) return {launch::post, std::allocator_arg, *pool, std::move(fn)};
  return {launch::post, std::move(fn)};
}

// Boost's channels are objects, not handles.
template <class Channel, class T>
class channel_handle {
 public:
  template <class... Arguments>
  explicit channel_handle(Arguments... arguments) : channel_(std::make_shared<Channel>(arguments...)) {}
  void send(const T& value) const { channel_->push(value); }
  std::optional<T> recv() const {
    std::optional<T> value(std::in_place);
    if (channel_->pop(*value) != boost::fibers::channel_op_status::success) value.reset();
    return value;
  }
  std::optional<T> recv_within(std::chrono::nanoseconds limit) const {
    std::optional<T> value(std::in_place);
    if (channel_->pop_wait_for(*value, limit) != boost::fibers::channel_op_status::success) value.reset();
    return value;
  }
  void close() const { channel_->close(); }

 private:
  std::shared_ptr<Channel> channel_;
};

struct boost_peer {
  template <class F>
  static void run(const measurement& m, F fn) {
    start_workers(m);
    fn();
  }

  template <class F>
  static void go(F fn) {
    post(std::move(fn)).detach();
  }

  class group {
   public:
    explicit group(std::int64_t tasks) { fibers_.reserve(static_cast<std::size_t>(tasks)); }
    template <class F>
    void go(F fn) {
      fibers_.push_back(post(std::move(fn)));
    }
    void wait() {
      for (auto& f : fibers_) f.join();
      fibers_.clear();
    }

   private:
    std::vector<boost::fibers::fiber> fibers_;
  };

  class gate {
   public:
    void wait() {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return open_; });
    }
    void open(std::int64_t) {
      const std::lock_guard lock(mutex_);
      open_ = true;
      changed_.notify_all();
    }

   private:
    boost::fibers::mutex mutex_;
    boost::fibers::condition_variable changed_;
    bool open_ = false;
  };

  [[gnu::always_inline]] static void yield() { boost::this_fiber::yield(); }
  static void sleep_for(std::chrono::nanoseconds length) { boost::this_fiber::sleep_for(length); }

  using mutex = boost::fibers::mutex;
  template <class T>
  using unbuffered = channel_handle<boost::fibers::unbuffered_channel<T>, T>;
  // Boost's capacity has to be a power of two, and one slot stays empty: 127 items for 128.
  template <class T>
  using buffered = channel_handle<boost::fibers::buffered_channel<T>, T>;

  template <class T>
  [[gnu::always_inline]] static std::optional<T> recv_within(const unbuffered<T>& ch, std::chrono::nanoseconds limit) {
    return ch.recv_within(limit);
  }

  // A plain thread's fibers would run on that thread, so it hands its functions over a channel to a fiber that starts
  // them here.
  class inbox {
   public:
    inbox()
        : starter_(post([todo = todo_] {
            while (auto fn = todo.recv()) post(std::move(*fn)).detach();
          })) {}
    template <class F>
    void submit(F fn) {
      todo_.send(std::move(fn));
    }
    void close() {
      todo_.close();
      starter_.join();
    }

   private:
    buffered<std::function<void()>> todo_{std::size_t{128}};
    boost::fibers::fiber starter_;
  };
};

}  // namespace bench
