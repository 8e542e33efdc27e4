// libdill_bench: the rows of csp_bench that libdill can run, with the same arguments and the same JSON lines.
//
// libdill runs all coroutines on the calling thread, so --processors has to be 1. Its channels are unbuffered, its
// clock counts milliseconds, it has no mutex, and nothing of it may be called by another thread. Default stacks.
#include <time.h>

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "bench/harness.h"
#include "bench/rows.h"

#define DILL_DISABLE_RAW_NAMES  // go, yield and now would be macros
#include <libdill.h>

#include <cstring>

namespace bench {
namespace {

constexpr std::int64_t forever = -1;  // libdill's own deadline for it

// Throws what errno says when libdill reports an error.
int checked(int result) {
  if (result < 0) throw std::runtime_error(std::string("libdill: ") + std::strerror(errno));
  return result;
}

// A coroutine's body; takes the function over.
template <class F>
dill_coroutine void enter(F* fn) {
  (*fn)();
  delete fn;
}

template <class F>
void start(int bundle, F fn) {
  F* const taken = new F(std::move(fn));
  checked(dill_bundle_go(bundle, enter(taken)));
}

struct libdill_peer {
  template <class F>
  static void run(const measurement& m, F fn) {
    if (m.processors() != 1) throw std::runtime_error("libdill has one processor");
    fn();
  }

  // A bundle that is never closed: its coroutines go when they end.
  template <class F>
  static void go(F fn) {
    static const int detached = checked(dill_bundle());
    start(detached, std::move(fn));
  }

  class group {
   public:
    explicit group(std::int64_t) : bundle_(checked(dill_bundle())) {}
    ~group() { dill_hclose(bundle_); }
    group(const group&) = delete;
    group& operator=(const group&) = delete;
    template <class F>
    void go(F fn) {
      start(bundle_, std::move(fn));
    }
    void wait() { checked(dill_bundle_wait(bundle_, forever)); }

   private:
    int bundle_;
  };

  [[gnu::always_inline]] static void yield() { dill_yield(); }
  // libdill reads the kernel's coarse clock, which may be a tick behind: so much longer is surely not too short.
  static void sleep_for(std::chrono::nanoseconds length) {
    timespec tick{};
    clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
    const auto enough = length + std::chrono::nanoseconds(tick.tv_nsec);
    dill_msleep(dill_now() + std::chrono::ceil<std::chrono::milliseconds>(enough).count() + 1);
  }

  template <class T>
  class unbuffered {
   public:
    void send(const T& value) const { checked(dill_chsend(ends_->sending, &value, sizeof value, forever)); }
    std::optional<T> recv() const { return recv_by(forever); }
    [[gnu::always_inline]] std::optional<T> recv_by(std::int64_t deadline) const {
      std::optional<T> value(std::in_place);
      if (dill_chrecv(ends_->receiving, &*value, sizeof *value, deadline) < 0) value.reset();
      return value;
    }
    void close() const { checked(dill_chdone(ends_->sending)); }
    int receiving() const { return ends_->receiving; }

   private:
    struct ends {
      int sending;
      int receiving;
      ends() {
        int both[2];
        checked(dill_chmake(both));
        sending = both[0];
        receiving = both[1];
      }
      ~ends() {
        dill_hclose(sending);
        dill_hclose(receiving);
      }
      ends(const ends&) = delete;
      ends& operator=(const ends&) = delete;
    };
    std::shared_ptr<ends> ends_ = std::make_shared<ends>();
  };

  class gate {
   public:
    void wait() { static_cast<void>(tokens_.recv()); }
    void open(std::int64_t waiters) {
      for (std::int64_t i = 0; i < waiters; ++i) tokens_.send(0);
    }

   private:
    unbuffered<char> tokens_;
  };

  template <class T>
  [[gnu::always_inline]] static std::optional<T> recv_within(const unbuffered<T>& ch, std::chrono::nanoseconds limit) {
    return ch.recv_by(dill_now() + std::chrono::ceil<std::chrono::milliseconds>(limit).count());
  }

  template <std::size_t Arms>
  static std::int64_t drain(const std::array<unbuffered<std::int64_t>, Arms>& channels, std::int64_t items) {
    std::array<std::int64_t, Arms> values{};
    std::array<dill_chclause, Arms> clauses{};
    for (std::size_t i = 0; i < Arms; ++i)
      clauses[i] = {DILL_CHRECV, channels[i].receiving(), &values[i], sizeof values[i]};
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < items; ++i) {
      const int chosen = checked(dill_choose(clauses.data(), static_cast<int>(Arms), forever));
      sum += values[static_cast<std::size_t>(chosen)];
    }
    return sum;
  }
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::main_program(argc, argv, "libdill", bench::all_rows<bench::libdill_peer>());
}
