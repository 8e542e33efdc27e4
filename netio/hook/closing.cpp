// Calls that close a number or make it stand for something else: who waits for it is told, before the number is free.
#include "netio/hook/define.h"
#include "netio/hook/managed.h"
#include "netio/real.h"
#include "sched/base/sanitizer.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <climits>
#include <cstdarg>

namespace csp::inline v0::detail::hook {
namespace {

[[nodiscard]] bool is_open(int fd) noexcept {
  const errno_guard keep;
  return real::fcntl(fd, F_GETFD, nullptr) >= 0;
}

// System calls that change what the hooks have found out, or may: starting a process, sending a message, setting
// O_NONBLOCK. Their arguments are not looked into.
void note_before(long number) noexcept {
  switch (number) {
#if defined(SYS_fork)
    case SYS_fork:
#endif
    case SYS_clone:
    case SYS_clone3:
    case SYS_sendmsg:
    case SYS_sendmmsg:
      note_sharing();
      break;
    default:
      break;
  }
}

void note_after(long number) noexcept {
  note_before(number);
  if (number == SYS_fcntl || number == SYS_ioctl) {
    forget_flags();
  }
}

// The number of a stream about to go; -1 for one without.
void release_stream(FILE* stream) noexcept {
  if (stream != nullptr) {
    const errno_guard keep;
    if (const int fd = ::fileno(stream); fd >= 0) {
      release(fd);
    }
  }
}

int duplicate_over(int from, int to, int result) noexcept {
  if (result == to && from != to) {
    adopt(to);
  }
  return result;
}

}  // namespace
}  // namespace csp::inline v0::detail::hook

namespace hook = csp::detail::hook;
namespace real = csp::detail::real;

extern "C" {

CSP_API int close(int fd) {
  hook::release(fd);
  return real::close(fd);
}

CSP_API int close_range(unsigned first, unsigned last, int flags) noexcept {
  if ((flags & static_cast<int>(CLOSE_RANGE_CLOEXEC)) == 0 && first <= last) {
    hook::release_range(first, last);
  }
  return real::close_range(first, last, flags);
}

CSP_API void closefrom(int first) noexcept {
  hook::release_range(first > 0 ? static_cast<unsigned>(first) : 0, UINT_MAX);
  real::closefrom(first);
}

CSP_API int fclose(FILE* stream) {
  hook::release_stream(stream);
  return real::fclose(stream);
}

CSP_API int pclose(FILE* stream) {
  hook::release_stream(stream);
  return real::pclose(stream);
}

CSP_API FILE* freopen(const char* path, const char* mode, FILE* stream) {
  hook::release_stream(stream);
  return real::freopen(path, mode, stream);
}

CSP_API int dup2(int from, int to) noexcept {
  if (from != to && hook::is_open(from)) {
    hook::release(to);
  }
  return hook::duplicate_over(from, to, real::dup2(from, to));
}

CSP_API int dup3(int from, int to, int flags) noexcept {
  if (from != to && hook::is_open(from)) {
    hook::release(to);
  }
  return hook::duplicate_over(from, to, real::dup3(from, to, flags));
}

// The system call made by its number does the same. All six arguments are passed on, as the C library does it, however
// many there are.
CSP_API CSP_NO_ASAN long syscall(long number, ...) noexcept {
  va_list more;
  va_start(more, number);
  long arguments[6];
  for (long& argument : arguments) {
    argument = va_arg(more, long);
  }
  va_end(more);
  const auto [a, b, c, d, e, f] = arguments;
  switch (number) {
    case SYS_close:
      hook::release(static_cast<int>(a));
      break;
    case SYS_close_range:
      return close_range(static_cast<unsigned>(a), static_cast<unsigned>(b), static_cast<int>(c));
#if defined(SYS_dup2)
    case SYS_dup2:
      return dup2(static_cast<int>(a), static_cast<int>(b));
#endif
    case SYS_dup3:
      return dup3(static_cast<int>(a), static_cast<int>(b), static_cast<int>(c));
    default:
      break;
  }
  hook::note_before(number);
  const long result = real::syscall(number, a, b, c, d, e, f);
  hook::note_after(number);
  return result;
}

}  // extern "C"

CSP_HOOK_ALIAS(__close, close);
CSP_HOOK_ALIAS(__dup2, dup2);
CSP_HOOK_ALIAS(freopen64, freopen);
