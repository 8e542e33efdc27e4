// Threads of libcsp: asynchronous signals are blocked, so that handlers run on the program's own threads, and each is
// counted, so that the deadlock report knows whether the process has threads that are not ours.
#pragma once

#include "sched/base/config.h"

#include <functional>
#include <thread>

namespace csp::inline v0::detail {

/// Starts a thread that runs `body`, named `name` (at most 15 characters). Throws std::system_error.
[[nodiscard]] std::thread start_thread(const char* name, std::function<void()> body);

/// While it lives, the calling thread counts as ours: it waits in libcsp and can do nothing else.
class own_thread_mark {
 public:
  own_thread_mark() noexcept;
  ~own_thread_mark();
  own_thread_mark(const own_thread_mark&) = delete;
  own_thread_mark& operator=(const own_thread_mark&) = delete;
};

/// True when the process has a thread that is neither ours nor a sanitizer's. Reads /proc; about 20 us.
[[nodiscard]] bool has_foreign_threads() noexcept;

/// The kernel's number of the calling thread.
[[nodiscard]] int this_thread_number() noexcept;

/// How much later than asked for the kernel may end a timed wait of the calling thread, to end several at once: in
/// nanoseconds, 50,000 unless somebody has set it (prctl(2), PR_SET_TIMERSLACK). Returns what it was; 0 when that is
/// not known, or has no meaning for the thread: then nothing has changed.
unsigned long set_timer_slack(unsigned long slack) noexcept;

/// True when a thread of this process, by its number, waits in the kernel; false while it computes or only waits for a
/// CPU, and when nobody knows. Reads /proc; about 10 us.
[[nodiscard]] bool waits_in_kernel(int thread_number) noexcept;

/// True when such a thread waits for a futex: a std::mutex, a pthread condition. False too when the kernel does not
/// tell. Reads /proc; about 10 us.
[[nodiscard]] bool waits_for_futex(int thread_number) noexcept;

}  // namespace csp::inline v0::detail
