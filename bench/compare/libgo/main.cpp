// libgo_bench: the rows of csp_bench that libgo can run, with the same arguments and the same JSON lines.
//
// As libgo's tutorials show: its one scheduler with a fixed number of threads, default stacks (1 MiB of address space),
// co_chan, co_mutex. It has no select and no wait group; a channel tells of the last task. Sleeping is what its hooked
// usleep does, called directly, so that a copy built without hooks runs the rows as well.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "bench/harness.h"
#include "bench/rows.h"

#include <libgo/libgo.h>

namespace bench {
namespace {

// libgo's names are macros, two of them words that this program, or C++20, uses otherwise.
template <class F>
void start(F fn) {
  go fn;
}
[[gnu::always_inline]] inline void let_others_run() { co_yield; }
#undef go
#undef co_yield

struct libgo_peer {
  template <class F>
  static void run(const measurement& m, F fn) {
    static bool running = false;
    if (!std::exchange(running, true))
      co_sched.goStart(static_cast<int>(m.processors()), static_cast<int>(m.processors()));
    std::promise<void> done;
    start([&] {
      fn();
      done.set_value();
    });
    done.get_future().wait();
  }

  template <class F>
  static void go(F fn) {
    start(std::move(fn));
  }

  class group {
   public:
    explicit group(std::int64_t tasks) : state_(std::make_shared<state>(tasks)) {}
    template <class F>
    void go(F fn) {
      start([all = state_, fn] {
        fn();
        if (all->left.fetch_sub(1) == 1) all->ended << 0;
      });
    }
    void wait() {
      int none = 0;
      state_->ended >> none;
    }

   private:
    struct state {
      explicit state(std::int64_t tasks) : left(tasks) {}
      std::atomic<std::int64_t> left;
      co_chan<int> ended{1};  // room for one, so that the last task need not wait
    };
    std::shared_ptr<state> state_;
  };

  class gate {
   public:
    void wait() {
      int none = 0;
      tokens_ >> none;
    }
    void open(std::int64_t waiters) {
      for (std::int64_t i = 0; i < waiters; ++i) tokens_ << 0;
    }

   private:
    co_chan<int> tokens_;
  };

  [[gnu::always_inline]] static void yield() { let_others_run(); }
  static void sleep_for(std::chrono::nanoseconds length) {
    co::Processer::Suspend(std::chrono::duration_cast<co::FastSteadyClock::duration>(length));
    let_others_run();
  }

  using mutex = co_mutex;

  template <class T>
  class buffered {
   public:
    explicit buffered(std::size_t capacity) : channel_(capacity) {}
    void send(const T& value) const { static_cast<void>(channel_.push(value)); }
    std::optional<T> recv() const {
      std::optional<T> value(std::in_place);
      if (!channel_.pop(*value)) value.reset();
      return value;
    }
    [[gnu::always_inline]] std::optional<T> recv_within(std::chrono::nanoseconds limit) const {
      std::optional<T> value(std::in_place);
      if (!channel_.TimedPop(*value, limit)) value.reset();
      return value;
    }
    void close() const { channel_.Close(); }

   private:
    co_chan<T> channel_;
  };
  template <class T>
  class unbuffered : public buffered<T> {
   public:
    unbuffered() : buffered<T>(0) {}
  };

  template <class T>
  [[gnu::always_inline]] static std::optional<T> recv_within(const unbuffered<T>& ch, std::chrono::nanoseconds limit) {
    return ch.recv_within(limit);
  }

  struct inbox {
    template <class F>
    void submit(F fn) {
      start(std::move(fn));
    }
    void close() {}
  };
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  const int status = bench::main_program(argc, argv, "libgo", bench::all_rows<bench::libgo_peer>());
  std::fflush(nullptr);
  std::_Exit(status);  // libgo's threads run on, and would meet its destroyed statics
}
