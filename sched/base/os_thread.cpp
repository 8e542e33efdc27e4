#include "sched/base/os_thread.h"

#include "sched/base/atomic.h"
#include "sched/base/sanitizer.h"

#include <csignal>
#include <cstdio>
#include <utility>

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace csp::inline v0::detail {
namespace {

// Raised by a thread when it starts to run and lowered as its last act: at no time is a foreign thread hidden behind
// one of ours that does not exist yet or any more.
atomic<int> own_threads{0};
// Falls of own_threads so far, raised after each: a thread that was counted as ours and ended before the kernel counted
// must not make up for one that is not ours.
atomic<unsigned> own_falls{0};

// The same from a text of many lines: slow, but documented.
int read_thread_count() noexcept {
  std::FILE* const status = std::fopen("/proc/self/status", "re");
  if (status == nullptr) {
    return 0;
  }
  char line[256];
  int threads = 0;
  while (std::fgets(line, sizeof line, status) != nullptr && std::sscanf(line, "Threads: %d", &threads) != 1) {
  }
  std::fclose(status);
  return threads;
}

// The kernel's count of the process's threads; 0 when it is unknown. Asked for each time that all sleep and a monitor
// dozes.
int count_threads() noexcept {
  // Linux counts a directory's entries as links: two of its own, and one a thread.
  constexpr nlink_t own_links = 2;
  struct stat tasks {};
  if (::stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink > own_links) {
    return static_cast<int>(tasks.st_nlink - own_links);
  }
  return read_thread_count();
}

}  // namespace

own_thread_mark::own_thread_mark() noexcept { own_threads.fetch_add(1, std::memory_order_seq_cst); }
own_thread_mark::~own_thread_mark() {
  own_threads.fetch_sub(1, std::memory_order_seq_cst);
  own_falls.fetch_add(1, std::memory_order_seq_cst);
}

std::thread start_thread(const char* name, std::function<void()> body) {
  sigset_t blocked;
  sigset_t previous;
  sigfillset(&blocked);
  // Faults belong to the instruction that raises them.
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPIPE, SIGPROF}) {
    sigdelset(&blocked, fault);
  }
  ::pthread_sigmask(SIG_SETMASK, &blocked, &previous);
  std::thread result;
  try {
    result = std::thread([name, run = std::move(body)] {
      const own_thread_mark mark;
      ::pthread_setname_np(::pthread_self(), name);
      run();
    });
  } catch (...) {
    ::pthread_sigmask(SIG_SETMASK, &previous, nullptr);
    throw;
  }
  ::pthread_sigmask(SIG_SETMASK, &previous, nullptr);
  return result;
}

unsigned long set_timer_slack(unsigned long slack) noexcept {
  const int before = ::prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
  const bool done = before > 0 && ::prctl(PR_SET_TIMERSLACK, slack, 0, 0, 0) == 0;
  return done ? static_cast<unsigned long>(before) : 0;
}

int this_thread_number() noexcept { return ::gettid(); }

bool waits_in_kernel(int thread_number) noexcept {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread_number);
  std::FILE* const file = std::fopen(path, "re");
  if (file == nullptr) {
    return false;
  }
  // "number (name) state": the name is one of ours and holds no parenthesis; see proc(5).
  char state = 'R';
  const int fields = std::fscanf(file, "%*d (%*[^)]) %c", &state);
  std::fclose(file);
  return fields == 1 && state != 'R';
}

bool waits_for_futex(int thread_number) noexcept {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/self/task/%d/syscall", thread_number);
  std::FILE* const file = std::fopen(path, "re");
  if (file == nullptr) {
    return false;
  }
  long call = -1;  // "running", or the number of the system call first; see proc(5)
  const int fields = std::fscanf(file, "%ld", &call);
  std::fclose(file);
  return fields == 1 && call == SYS_futex;
}

bool has_foreign_threads() noexcept {
  for (;;) {
    const unsigned falls = own_falls.load(std::memory_order_seq_cst);
    // Before the kernel's: a thread of ours that starts meanwhile may only be taken for a foreign one.
    const int ours = own_threads.load(std::memory_order_seq_cst) + static_cast<int>(sanitizer::background_threads);
    const int threads = count_threads();
    if (own_falls.load(std::memory_order_seq_cst) == falls) {
      return threads == 0 || threads > ours;  // unknown: somebody may still be there
    }
  }
}

}  // namespace csp::inline v0::detail
