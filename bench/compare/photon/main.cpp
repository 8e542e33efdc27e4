// photon_bench: the rows of csp_bench that PhotonLibOS can run, with the same arguments and the same JSON lines.
//
// As its performance examples show: the per-vCPU pool of stacks, which keeps all of them; default stacks (8 MiB of
// address space). One processor is the calling thread as the only vCPU. More are a WorkPool that makes a thread of its
// own for every task and hands it to any of its vCPUs, where the task stays. A semaphore tells of a group's end. Its
// select polls, and sees a value of an unbuffered channel only while a receiver waits there, so that it cannot be used
// for the rows of select. Its clock counts whole microseconds and is looked at now and then: before a sleep it is
// brought up to date here, and sleeps are made one longer, in order not to be short.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "bench/harness.h"
#include "bench/rows.h"

#include <photon/common/alog.h>
#include <photon/photon.h>
#include <photon/thread/go.h>
#include <photon/thread/stack-allocator.h>
#include <photon/thread/thread.h>
#include <photon/thread/workerpool.h>

namespace bench {
namespace {

constexpr int thread_per_task = 0;  // the WorkPool's mode

struct photon_peer {
  template <class F>
  static void run(const measurement& m, F fn) {
    start(m.processors());
    if (pool_ == nullptr) {
      fn();
    } else {
      pool_->call<photon::StdContext>(fn);
    }
  }

  template <class F>
  static void go(F fn) {
    if (pool_ == nullptr) {
      photon::go(std::move(fn));
    } else {
      pool_->async_call(new F(std::move(fn)));
    }
  }

  class group {
   public:
    explicit group(std::int64_t tasks) : tasks_(static_cast<std::uint64_t>(tasks)) {}
    template <class F>
    void go(F fn) {
      photon_peer::go([this, fn = std::move(fn)]() mutable {
        fn();
        ended_.signal(1);
      });
    }
    void wait() { ended_.wait(tasks_); }

   private:
    std::uint64_t tasks_;
    photon::semaphore ended_;
  };

  class gate {
   public:
    void wait() { tokens_.wait(1); }
    void open(std::int64_t waiters) { tokens_.signal(static_cast<std::uint64_t>(waiters)); }

   private:
    photon::semaphore tokens_;
  };

  [[gnu::always_inline]] static void yield() { photon::thread_yield(); }
  static void sleep_for(std::chrono::nanoseconds length) {
    photon::__update_now();
    photon::thread_usleep(microseconds(length) + 1);
  }

  using mutex = photon::mutex;

  template <class T>
  class buffered {
   public:
    explicit buffered(std::size_t capacity) : channel_(std::make_shared<photon::channel<T>>(capacity)) {}
    void send(const T& value) const { channel_->send(value); }
    std::optional<T> recv() const { return recv_by({}); }
    [[gnu::always_inline]] std::optional<T> recv_by(photon::Timeout deadline) const {
      std::optional<T> value(std::in_place);
      if (!channel_->recv(*value, deadline)) value.reset();
      return value;
    }
    void close() const { channel_->close(); }

   private:
    std::shared_ptr<photon::channel<T>> channel_;
  };
  template <class T>
  class unbuffered : public buffered<T> {
   public:
    unbuffered() : buffered<T>(0) {}
  };

  template <class T>
  [[gnu::always_inline]] static std::optional<T> recv_within(const unbuffered<T>& ch, std::chrono::nanoseconds limit) {
    return ch.recv_by(microseconds(limit));
  }

  // The pool; without one, a pool that the only vCPU joins.
  class inbox {
   public:
    inbox() {
      if (pool_ != nullptr) return;
      own_ = std::make_unique<photon::WorkPool>(0, photon::INIT_EVENT_NONE, photon::INIT_IO_NONE, thread_per_task);
      photon::go([workers = own_.get()] { workers->join_current_vcpu_into_workpool(); });
    }
    template <class F>
    void submit(F fn) {
      (own_ ? own_.get() : pool_)->async_call(new F(std::move(fn)));
    }
    void close() { own_.reset(); }

   private:
    std::unique_ptr<photon::WorkPool> own_;
  };

 private:
  static void start(unsigned processors) {
    static bool running = false;
    if (std::exchange(running, true)) return;
    photon::use_pooled_stack_allocator();
    photon::pooled_stack_trim_threshold(SIZE_MAX);
    if (processors > 1) {
      pool_ = new photon::WorkPool(processors, photon::INIT_EVENT_DEFAULT, photon::INIT_IO_NONE, thread_per_task);
    } else if (photon::init(photon::INIT_EVENT_DEFAULT, photon::INIT_IO_NONE) != 0) {
      throw std::runtime_error("photon does not start");
    }
  }
  static std::uint64_t microseconds(std::chrono::nanoseconds length) {
    return static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::microseconds>(length).count());
  }

  inline static photon::WorkPool* pool_ = nullptr;  // on more than one processor
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  set_log_output(log_output_stderr);
  set_log_output_level(ALOG_WARN);
  const int status = bench::main_program(argc, argv, "photon", bench::all_rows<bench::photon_peer>());
  std::fflush(nullptr);
  std::_Exit(status);  // photon's end would wait for every thread, those too that wait for ever
}
