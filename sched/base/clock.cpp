#include "sched/base/clock.h"

#include <pthread.h>

namespace csp::inline v0::detail {
namespace {

class steady_clock_source final : public clock_source {
 public:
  [[nodiscard]] nanos now() const noexcept override { return steady_now(); }
};

}  // namespace

nanos steady_now() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

clockid_t this_thread_cpu_clock() noexcept {
  clockid_t clock{};
  return ::pthread_getcpuclockid(::pthread_self(), &clock) == 0 ? clock : CLOCK_THREAD_CPUTIME_ID;
}

nanos read_clock(clockid_t clock) noexcept {
  timespec used{};
  if (::clock_gettime(clock, &used) != 0) {
    return 0;
  }
  return static_cast<nanos>(used.tv_sec) * 1'000'000'000 + used.tv_nsec;
}

const clock_source& steady_source() noexcept {
  static const steady_clock_source source;
  return source;
}

}  // namespace csp::inline v0::detail
