#include "sched/stack_overflow.h"

#include "sched/base/atomic.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <string_view>

#include "sched/base/sanitizer.h"
#include "sched/hibernation.h"

namespace csp::inline v0::detail {
namespace {

atomic<stack_owner_describer> describer{nullptr};
atomic<running_stack_finder> running_stack{nullptr};

// The handlers before ours. Written before ours is installed, which is what orders them.
struct sigaction previous_segv;
struct sigaction previous_bus;

// Text built without allocation, for a signal handler; what does not fit is dropped.
class line {
 public:
  line& operator<<(std::string_view text) noexcept {
    const std::size_t fits = std::min(text.size(), sizeof text_ - size_);
    std::memcpy(text_ + size_, text.data(), fits);
    size_ += fits;
    return *this;
  }
  line& operator<<(std::size_t number) noexcept {
    char digits[20];
    char* first = digits + sizeof digits;
    do {
      *--first = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number != 0);
    return *this << std::string_view(first, static_cast<std::size_t>(digits + sizeof digits - first));
  }
  void write_to_stderr() const noexcept {
    std::size_t done = 0;
    while (done < size_) {
      const ssize_t n = ::write(STDERR_FILENO, text_ + done, size_ - done);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return;
      done += static_cast<std::size_t>(n);
    }
  }

 private:
  char text_[768];
  std::size_t size_ = 0;
};

void write_message(const stack_block& block, std::string_view what_happened) noexcept {
  // Several threads may die at once: the first has the word.
  static atomic<bool> written{false};
  // relaxed: it guards nothing but itself.
  if (written.exchange(true, std::memory_order_relaxed)) {
    for (;;) ::pause();  // the other thread is about to end the process
  }
  char owner_text[512] = "(unknown)";
  const void* owner = block.owner.load(std::memory_order_relaxed);  // our own thread's store, or a test's
  // acquire: pairs with set_stack_owner_describer(), what the describer reads was set up before.
  const stack_owner_describer describe = describer.load(std::memory_order_acquire);
  if (owner != nullptr && describe != nullptr) {
    describe(owner, owner_text, sizeof owner_text);
    owner_text[sizeof owner_text - 1] = '\0';
  }
  line out;
  out << "csp: fatal: stack overflow in task " << owner_text << ": its stack of " << block.size / 1024 << " KiB "
      << what_happened << " (raise task_options::stack_size or CSP_STACK)\n";
  out.write_to_stderr();
}

std::uintptr_t stack_pointer_of(const void* context) noexcept {
  const auto& machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  return static_cast<std::uintptr_t>(machine.gregs[REG_RSP]);
#elif defined(__aarch64__)
  return static_cast<std::uintptr_t>(machine.sp);
#else
#error "tell where this architecture keeps the stack pointer"
#endif
}

// The stack that an address lies in: one of the arena, or else the running task's, whose memory may be the user's.
const stack_block* stack_of(const void* address) noexcept {
  if (const stack_block* const pooled = stack_arena::instance().lookup(address)) return pooled;
  // acquire: pairs with set_running_stack_finder(), what the finder reads was set up before.
  const running_stack_finder find = running_stack.load(std::memory_order_acquire);
  const stack_block* const running = find != nullptr ? find() : nullptr;
  return running != nullptr && address >= running->base && address < running->base + running->size ? running : nullptr;
}

// The stack that the interrupted code has exhausted, or null if this fault is something else.
const stack_block* exhausted_stack(const siginfo_t& info, const void* context) noexcept {
  const std::uintptr_t sp = stack_pointer_of(context);
  if (info.si_code == SI_KERNEL) {
    // No address: the kernel found no room for the frame of another signal. 512: red zone and alignment.
    const stack_block* block = stack_of(reinterpret_cast<const void*>(sp));
    const auto frame = static_cast<std::uintptr_t>(std::max(::sysconf(_SC_MINSIGSTKSZ), 2048L)) + 512;
    return block != nullptr && sp - reinterpret_cast<std::uintptr_t>(block->usable_bottom()) < frame ? block : nullptr;
  }
  if (info.si_code <= 0) return nullptr;  // sent by a process: there is no address
  const stack_block* block = stack_of(info.si_addr);
  if (block == nullptr || info.si_addr >= block->usable_bottom()) return nullptr;
  // A stray pointer into somebody else's guard is no overflow: the stack pointer has to be in this stack, or below it
  // by the part of a large frame that was set up before its first access.
  constexpr std::uintptr_t largest_step = std::uintptr_t{1} << 20;
  const auto base = reinterpret_cast<std::uintptr_t>(block->base);
  return sp + largest_step >= base && sp < base + block->size ? block : nullptr;
}

void restore_default(int signal) noexcept {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(signal, &action, nullptr);
}

// As if `previous` had been the handler all the time.
void call_previous(int signal, siginfo_t* info, void* context) {
  struct sigaction& previous = signal == SIGBUS ? previous_bus : previous_segv;
  const bool sent = info->si_code <= 0;  // by kill() and the like: it will not come again by itself
  const bool with_info = (previous.sa_flags & SA_SIGINFO) != 0;
  if (!with_info && previous.sa_handler == SIG_IGN && sent) return;
  if (!with_info && (previous.sa_handler == SIG_DFL || previous.sa_handler == SIG_IGN)) {
    restore_default(signal);                                  // the kernel does not let a true fault be ignored
    if (sent || info->si_code == SI_KERNEL) ::raise(signal);  // blocked until we return
    return;
  }
  const auto function = previous.sa_sigaction;  // they share their storage
  const auto plain_function = previous.sa_handler;
  const int flags = previous.sa_flags;
  if ((flags & static_cast<int>(SA_RESETHAND)) != 0) {
    previous.sa_handler = SIG_DFL;
    previous.sa_flags = 0;
  }
  sigset_t before;
  ::pthread_sigmask(SIG_BLOCK, &previous.sa_mask, &before);
  if ((flags & SA_NODEFER) != 0) {
    sigset_t only;
    ::sigemptyset(&only);
    ::sigaddset(&only, signal);
    ::pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
  }
  if (with_info) {
    function(signal, info, context);
  } else {
    plain_function(signal);
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// True when somebody has touched a stack that hibernates: it is back. For ThreadSanitizer unseen, since all tasks of a
// thread use its alternate stack one after another.
CSP_NO_TSAN bool wakes_stack(int signal, const siginfo_t& info) noexcept {
  const sanitizer::unseen frames;
  return signal == SIGBUS && info.si_code == BUS_ADRERR && hibernation::instance().on_fault(info.si_addr);
}

void on_fault(int signal, siginfo_t* info, void* context) {
  if (wakes_stack(signal, *info)) return;
  const int saved_errno = errno;
  if (const stack_block* block = exhausted_stack(*info, context)) {
    write_message(*block, "is exhausted");
    // Dies when we return: of the same fault again, or of the raised signal where there is no instruction to repeat.
    restore_default(signal);
    if (info->si_code == SI_KERNEL) ::raise(signal);
  } else {
    call_previous(signal, info, context);
  }
  errno = saved_errno;
}

}  // namespace

void set_stack_owner_describer(stack_owner_describer new_describer) noexcept {
  describer.store(new_describer, std::memory_order_release);  // pairs with write_message()
}

void set_running_stack_finder(running_stack_finder finder) noexcept {
  running_stack.store(finder, std::memory_order_release);  // pairs with stack_of()
}

void install_stack_overflow_handler() noexcept {
  static std::once_flag once;
  std::call_once(once, [] {
    ::sigaction(SIGSEGV, nullptr, &previous_segv);
    ::sigaction(SIGBUS, nullptr, &previous_bus);
    struct sigaction action = {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(SIGSEGV, &action, nullptr);
    ::sigaction(SIGBUS, &action, nullptr);
  });
}

alternate_signal_stack::alternate_signal_stack() {
  stack_t old = {};
  if (::sigaltstack(nullptr, &old) == 0 && (old.ss_flags & SS_DISABLE) == 0) return;
  // Room for the frame with all vector state, for our own handler with its describer, and for a handler before ours.
  const std::size_t page = memory_page_size();
  const auto wanted = static_cast<std::size_t>(std::max(::sysconf(_SC_SIGSTKSZ), 64L * 1024));
  const std::size_t usable = (wanted + page - 1) / page * page;
  void* memory = ::mmap(nullptr, page + usable, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  ::mprotect(memory, page, PROT_NONE);  // if refused, it is only less safe
  memory_ = static_cast<std::byte*>(memory);
  size_ = page + usable;
  stack_t fresh = {};
  fresh.ss_sp = memory_ + page;
  fresh.ss_size = usable;
  ::sigaltstack(&fresh, nullptr);
}

alternate_signal_stack::~alternate_signal_stack() {
  if (memory_ == nullptr) return;
  stack_t current = {};
  ::sigaltstack(nullptr, &current);
  if (current.ss_sp == memory_ + memory_page_size()) {
    stack_t none = {};
    none.ss_flags = SS_DISABLE;
    ::sigaltstack(&none, nullptr);
  }
  ::munmap(memory_, size_);
}

void die_of_broken_canary(const stack_block& block) noexcept {
  write_message(block, "was exhausted, and memory below it is damaged");
  std::abort();
}

}  // namespace csp::inline v0::detail
