// Stack overflows and how faults that are none reach the handlers before ours. Each case runs in a child of fork,
// since the handler is installed once for a process and most cases end it.
#include "sched/stack_overflow.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/context/detail/fcontext.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <thread>

#include "sched/stack_pool.h"
#include "test/support/topologies.h"

using namespace csp::detail;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CSP_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CSP_TEST_SANITIZED 1
#endif
#endif

namespace {

#ifdef CSP_TEST_SANITIZED
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

namespace fcontext = boost::context::detail;

struct outcome {
  int status = 0;
  std::string text;  // what the child wrote to stderr
  bool died_of(int signal) const { return WIFSIGNALED(status) && WTERMSIG(status) == signal; }
  bool exited_with(int code) const { return WIFEXITED(status) && WEXITSTATUS(status) == code; }
};

template <class Body>
outcome in_child(Body body) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    ::alarm(60);
    body();
    ::_exit(0);
  }
  ::close(ends[1]);
  outcome result;
  char buffer[4096];
  for (ssize_t n; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    result.text.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(ends[0]);
  result.text = csp_test::without_emulator(std::move(result.text));
  REQUIRE(::waitpid(child, &result.status, 0) == child);
  return result;
}

const char owner_tag = 0;

void describe(const void* owner, char* buffer, std::size_t size) {
  const char* text = owner == &owner_tag ? "'deep' spawned at test.cpp:7" : "?";
  std::strncpy(buffer, text, size - 1);
}

stack_block* new_stack(std::size_t size, std::optional<stack_guard_kind> kind = std::nullopt) {
  set_stack_owner_describer(describe);
  force_stack_guard_kind(kind);
  const unsigned cls = stack_class_for(size).value();
  stack_arena::instance().reserve(cls, 2);
  static_cast<void>(stack_arena::instance().carve_or_take(cls));  // the one below
  stack_block* block = stack_arena::instance().carve_or_take(cls);
  block->owner = &owner_tag;
  return block;
}

// Uses up the stack until `left` bytes remain, then calls `then`; with 0 left it overflows.
// NOLINTNEXTLINE(misc-no-recursion)
__attribute__((noinline)) int descend(const stack_block* block, std::ptrdiff_t left, void (*then)()) {
  volatile char frame[256];
  frame[0] = 1;
  const char* here = const_cast<const char*>(frame);
  if (left != 0 && here - reinterpret_cast<const char*>(block->usable_bottom()) < left) {
    then();
    return frame[0];
  }
  return descend(block, left, then) + frame[0];
}

struct journey {
  stack_block* block;
  std::ptrdiff_t left;
  void (*then)();
};

void run_on_stack(const journey& plan) {
  const auto entry = [](fcontext::transfer_t from) {
    const journey j = *static_cast<const journey*>(from.data);
    static_cast<void>(descend(j.block, j.left, j.then));
    fcontext::jump_fcontext(from.fctx, nullptr);
  };
  const auto context = fcontext::make_fcontext(plan.block->usable_top, plan.block->usable_size(), entry);
  fcontext::jump_fcontext(context, const_cast<journey*>(&plan));
}

void overflow(stack_block* block) { run_on_stack({block, 0, nullptr}); }

constexpr char exhausted[] =
    "csp: fatal: stack overflow in task 'deep' spawned at test.cpp:7: its stack of 64 KiB is exhausted "
    "(raise task_options::stack_size or CSP_STACK)\n";

// What the handlers before ours saw.
volatile std::sig_atomic_t calls = 0;
void* volatile fault_address = nullptr;
std::byte* volatile page = nullptr;

std::byte* protected_page() {
  return static_cast<std::byte*>(::mmap(nullptr, memory_page_size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

void set_handler(int signal, void (*function)(int, siginfo_t*, void*), int flags = 0) {
  struct sigaction action = {};
  action.sa_sigaction = function;
  action.sa_flags = SA_SIGINFO | flags;
  sigaddset(&action.sa_mask, SIGUSR2);
  ::sigaction(signal, &action, nullptr);
}

bool is_blocked(int signal) {
  sigset_t mask;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  return sigismember(&mask, signal) == 1;
}

void touch(std::byte* where) { *static_cast<volatile std::byte*>(where) = std::byte{1}; }

}  // namespace

TEST_CASE("an overflow dies with one message that names the task") {
  const auto kind = GENERATE(stack_guard_kind::marker, stack_guard_kind::protection);
  const bool elsewhere = GENERATE(false, true);
  CAPTURE(static_cast<int>(kind), elsewhere);
  const outcome seen = in_child([&] {
    install_stack_overflow_handler();
    install_stack_overflow_handler();
    const auto body = [kind] {
      const alternate_signal_stack signals;
      stack_block* block = new_stack(64 * 1024, kind);
      if (block->guard != kind) ::_exit(99);
      overflow(block);
    };
    if (elsewhere) {
      std::thread(body).join();
    } else {
      body();
    }
  });
  if (seen.exited_with(99)) {
    WARN("SKIPPED: this kernel does not make this kind of guard");
    return;
  }
  CHECK(seen.died_of(SIGSEGV));
  CHECK(seen.text == exhausted);
}

TEST_CASE("two threads that overflow at once write one message") {
  const outcome seen = in_child([&] {
    install_stack_overflow_handler();
    stack_block* blocks[] = {new_stack(64 * 1024), new_stack(64 * 1024)};
    const auto body = [](stack_block* block) {
      const alternate_signal_stack signals;
      overflow(block);
    };
    std::thread first(body, blocks[0]);
    std::thread second(body, blocks[1]);
    first.join();
    second.join();
  });
  CHECK(seen.died_of(SIGSEGV));
  CHECK(seen.text == exhausted);
}

TEST_CASE("an overflow without a known owner still says so") {
  const outcome seen = in_child([&] {
    install_stack_overflow_handler();
    const alternate_signal_stack signals;
    stack_block* block = new_stack(64 * 1024);
    block->owner = nullptr;
    overflow(block);
  });
  CHECK(seen.died_of(SIGSEGV));
  CHECK_THAT(seen.text, Catch::Contains("stack overflow in task (unknown): its stack of 64 KiB is exhausted"));
}

TEST_CASE("a signal frame that does not fit is an overflow too") {
  if (sanitized || csp_test::emulated()) {
    WARN("SKIPPED: a sanitizer or emulator delivers signals in its own way");
    return;
  }
  const outcome seen = in_child([&] {
    install_stack_overflow_handler();
    const alternate_signal_stack signals;
    set_handler(SIGUSR1, [](int, siginfo_t*, void*) {});  // no SA_ONSTACK
    run_on_stack({new_stack(64 * 1024), 700, [] { ::raise(SIGUSR1); }});
  });
  CHECK(seen.died_of(SIGSEGV));
  CHECK(seen.text == exhausted);
}

TEST_CASE("a broken canary dies with the message when the stack is given back") {
  const outcome seen = in_child([&] {
    stack_pool pool;
    stack_block* block = new_stack(64 * 1024, stack_guard_kind::canary);
    run_on_stack({block, 512, [] {}});  // near is not over
    check_stack_canary(*block);
    std::memset(block->usable_bottom() - 64, 0x55, 64);
    pool.give(block);
  });
  CHECK(seen.died_of(SIGABRT));
  CHECK(seen.text ==
        "csp: fatal: stack overflow in task 'deep' spawned at test.cpp:7: its stack of 64 KiB was exhausted, and "
        "memory below it is damaged (raise task_options::stack_size or CSP_STACK)\n");
}

TEST_CASE("another fault goes to the handler that was there before") {
  SECTION("with siginfo, its mask, and the program goes on when it mends the fault") {
    const outcome seen = in_child([&] {
      set_handler(SIGSEGV, [](int signal, siginfo_t* info, void* context) {
        calls = calls + 1;
        fault_address = info->si_addr;
        if (signal != SIGSEGV || context == nullptr || !is_blocked(SIGUSR2) || !is_blocked(SIGSEGV)) ::_exit(1);
        ::mprotect(info->si_addr, memory_page_size(), PROT_READ | PROT_WRITE);
      });
      install_stack_overflow_handler();
      const alternate_signal_stack signals;
      for (int i = 1; i <= 2; ++i) {
        page = protected_page();
        errno = 77;
        touch(page);
        if (calls != i || fault_address != page || errno != 77 || is_blocked(SIGUSR2)) ::_exit(2);
      }
      ::_exit(42);
    });
    CHECK(seen.exited_with(42));
    CHECK(seen.text.empty());
  }
  SECTION("an old style handler, once only, then the default") {
    const outcome seen = in_child([&] {
      struct sigaction action = {};
      action.sa_handler = [](int) {
        if (is_blocked(SIGSEGV)) ::_exit(1);  // SA_NODEFER
        static_cast<void>(!::write(STDERR_FILENO, "mine", 4));
      };
      action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_NODEFER;
      ::sigaction(SIGSEGV, &action, nullptr);
      install_stack_overflow_handler();
      touch(protected_page());
      ::_exit(2);
    });
    CHECK(seen.died_of(SIGSEGV));
    CHECK(seen.text == "mine");
  }
  SECTION("none: the default action") {
    const outcome seen = in_child([&] {
      ::signal(SIGSEGV, SIG_DFL);  // the sanitizers have one
      install_stack_overflow_handler();
      touch(protected_page());
    });
    CHECK(seen.died_of(SIGSEGV));
    CHECK(seen.text.empty());
  }
  SECTION("ignored: only a signal that somebody sent can be") {
    const outcome seen = in_child([&] {
      ::signal(SIGSEGV, SIG_IGN);
      install_stack_overflow_handler();
      ::raise(SIGSEGV);
      ::raise(SIGSEGV);
      static_cast<void>(!::write(STDERR_FILENO, "alive", 5));
      touch(protected_page());
    });
    CHECK(seen.died_of(SIGSEGV));
    CHECK(seen.text == "alive");
  }
  SECTION("sent, and the default before: it still kills") {
    const outcome seen = in_child([&] {
      ::signal(SIGSEGV, SIG_DFL);
      install_stack_overflow_handler();
      ::raise(SIGSEGV);
    });
    CHECK(seen.died_of(SIGSEGV));
  }
  SECTION("SIGBUS") {
    const outcome seen = in_child([&] {
      set_handler(SIGBUS, [](int signal, siginfo_t* info, void*) {
        ::_exit(signal == SIGBUS && info->si_addr == page ? 42 : 1);
      });
      install_stack_overflow_handler();
      std::FILE* file = std::tmpfile();
      page = static_cast<std::byte*>(
          ::mmap(nullptr, memory_page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, ::fileno(file), 0));
      touch(page);  // beyond the end of the file
    });
    CHECK(seen.exited_with(42));
  }
}

TEST_CASE("a stray pointer into a guard page is no overflow") {
  const outcome seen = in_child([&] {
    set_handler(SIGSEGV, [](int, siginfo_t* info, void*) { ::_exit(info->si_addr == page ? 42 : 1); });
    install_stack_overflow_handler();
    page = new_stack(64 * 1024, stack_guard_kind::protection)->base;
    touch(page);
  });
  CHECK(seen.exited_with(42));
  CHECK(seen.text.empty());
}

TEST_CASE("an alternate signal stack is made where there is none, and kept where there is one") {
  std::thread([] {
    stack_t none = {};
    none.ss_flags = SS_DISABLE;
    ::sigaltstack(&none, nullptr);  // the sanitizers have one
    stack_t seen = {};
    {
      const alternate_signal_stack outer;
      ::sigaltstack(nullptr, &seen);
      CHECK(seen.ss_flags == 0);
      CHECK(seen.ss_size >= 64 * 1024);
      CHECK(static_cast<long>(seen.ss_size) >= ::sysconf(_SC_SIGSTKSZ));
      const void* memory = seen.ss_sp;
      {
        const alternate_signal_stack inner;
        ::sigaltstack(nullptr, &seen);
        CHECK(seen.ss_sp == memory);
      }
      ::sigaltstack(nullptr, &seen);
      CHECK(seen.ss_sp == memory);
    }
    ::sigaltstack(nullptr, &seen);
    CHECK((seen.ss_flags & SS_DISABLE) != 0);
  }).join();
}
