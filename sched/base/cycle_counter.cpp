#include "sched/base/cycle_counter.h"

#include "sched/base/clock.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <string_view>

namespace csp::inline v0::detail {
namespace {

/// How long the counter is compared with the clock: a hundred times what reading both takes.
constexpr nanos measured_time = 10'000;
/// A thread that loses its core between two readings makes the counter look slow; hardly so often in a row.
constexpr int most_measurements = 3;

// The process may read the counter: prctl(2), PR_SET_TSC.
[[maybe_unused]] bool counter_is_readable() noexcept {
  int permission = 0;
  return ::prctl(PR_GET_TSC, &permission) == 0 && permission == PR_TSC_ENABLE;
}

// The kernel has checked that the counters of all cores are one, and watches that they stay so.
[[maybe_unused]] bool kernel_trusts_counter() noexcept {
  const int file = ::open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    return false;
  }
  char text[16];
  const ssize_t length = ::read(file, text, sizeof text);
  ::close(file);
  return length > 0 && std::string_view(text, static_cast<std::size_t>(length)) == "tsc\n";
}

// The time between the outer two readings is no less than the cycles between the inner two, if those count nanoseconds
// or less.
[[maybe_unused]] bool counts_a_billion_a_second() noexcept {
  for (int i = 0; i < most_measurements; ++i) {
    const nanos start = steady_now();
    const std::uint64_t first = read_cycles();
    nanos now = start;
    while (now - start < measured_time) {
      now = steady_now();
    }
    const std::uint64_t last = read_cycles();
    if (static_cast<nanos>(last - first) > steady_now() - start) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool cycles_measure_time() noexcept {
#if defined(__x86_64__)
  static const bool result = counter_is_readable() && kernel_trusts_counter() && counts_a_billion_a_second();
  return result;
#else
  return false;
#endif
}

}  // namespace csp::inline v0::detail
