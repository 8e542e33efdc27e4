// How the rows run libcsp: plainly, by its public headers.
#pragma once

#include <libcsp/csp.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "bench/harness.h"

namespace bench {

struct libcsp_peer {
  // No spares: never more tasks at once than processors, which is what GOMAXPROCS means in the Go twin.
  template <class F>
  static void run(const measurement& m, F fn) {
    csp::options options;
    options.processors = m.processors();
    options.spares = 0;
    csp::run(options, fn);
  }

  template <class F>
  static void go(F fn) {
    csp::go(std::move(fn));
  }

  class group {
   public:
    explicit group(std::int64_t tasks) : left_(tasks) {}
    template <class F>
    void go(F fn) {
      csp::go([this, fn = std::move(fn)]() mutable {
        fn();
        left_.done();
      });
    }
    void wait() { left_.wait(); }

   private:
    csp::wait_group left_;
  };

  class gate {
   public:
    void wait() { static_cast<void>(opened_.recv()); }
    void open(std::int64_t) { opened_.close(); }

   private:
    csp::chan<void> opened_;
  };

  [[gnu::always_inline]] static void yield() { csp::yield(); }
  static void sleep_for(std::chrono::nanoseconds length) { csp::sleep_for(length); }

  using mutex = csp::mutex;
  template <class T>
  using unbuffered = csp::chan<T>;
  template <class T>
  using buffered = csp::chan<T>;

  template <class T>
  [[gnu::always_inline]] static std::optional<T> recv_within(const csp::chan<T>& ch, std::chrono::nanoseconds limit) {
    T value{};
    bool came = false;
    auto take = [&](std::optional<T> v) {
      came = v.has_value();
      if (came) value = *v;
    };
    csp::select(csp::on_recv(ch, take), csp::on_timeout(limit));
    return came ? std::optional<T>(value) : std::nullopt;
  }

  template <std::size_t Arms>
  static std::int64_t drain(const std::array<csp::chan<std::int64_t>, Arms>& channels, std::int64_t items) {
    std::int64_t sum = 0;
    auto add = [&sum](std::optional<std::int64_t> v) { sum += *v; };
    [&]<std::size_t... Arm>(std::index_sequence<Arm...>) {
      for (std::int64_t i = 0; i < items; ++i) csp::select(csp::on_recv(channels[Arm], add)...);
    }
    (std::make_index_sequence<Arms>{});
    return sum;
  }

  struct inbox {
    template <class F>
    void submit(F fn) {
      csp::go(std::move(fn));
    }
    void close() {}
  };
};

}  // namespace bench
