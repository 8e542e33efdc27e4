#include "sched/base/futex.h"

#include "sched/base/sanitizer.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <ctime>

namespace csp::inline v0::detail {
namespace {

/// A wait with a time limit is broken off by any signal, one without only by those without SA_RESTART (futex(2),
/// signal(7)). Under a sanitizer that holds signals back it must be broken off by all of them.
constexpr nanos far_away = nanos{1} << 60;

}  // namespace

bool futex_wait_until(atomic<std::uint32_t>& word, std::uint32_t expected, nanos deadline) noexcept {
  constexpr nanos nanos_per_second = 1'000'000'000;
  const nanos until = sanitizer::holds_signals_back ? std::min(deadline, far_away) : deadline;
  timespec when{};
  timespec* limit = nullptr;
  if (until != never) {
    const nanos positive = until > 0 ? until : 0;
    when.tv_sec = static_cast<std::time_t>(positive / nanos_per_second);
    when.tv_nsec = static_cast<long>(positive % nanos_per_second);
    limit = &when;
  }
  const int saved = errno;
  // FUTEX_WAIT_BITSET takes an absolute time on CLOCK_MONOTONIC, see futex(2).
  const long result =
      ::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, expected, limit, nullptr, FUTEX_BITSET_MATCH_ANY);
  const bool timed_out = result != 0 && errno == ETIMEDOUT;
  if (sanitizer::holds_signals_back && result != 0 && errno == EINTR) {
    ::usleep(0);  // intercepted: lets them in
  }
  errno = saved;
  return !timed_out;
}

void futex_wake(const atomic<std::uint32_t>* word, int count) noexcept {
  const int saved = errno;
  ::syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
  errno = saved;
}

void yield_thread() noexcept { ::sched_yield(); }

}  // namespace csp::inline v0::detail
