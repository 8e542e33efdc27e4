// System calls of which the caller asks that they do not block, by a flag or because the socket is non-blocking.
//
// In the C library they are cancellation points: in a program with threads each takes two atomic operations for the
// sake of pthread_cancel, for which tasks have no use. Here each is the system call itself, as long as the C library's
// own functions are in force; where something else defines one of the names (a sanitizer, a preloaded library) all go
// through netio/real.h, and so they do on processors that are not known here. They answer as the C library's do, errno
// included.
//
// Any thread, where being a cancellation point is not promised: so not from a hook outside of a task.
#pragma once

#include "netio/real.h"
#include "sched/base/config.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace csp::inline v0::detail::prompt {

enum class route : std::uint8_t { unknown, kernel, library };
extern CSP_API std::atomic<route> chosen;

/// Finds out who defines the names. Any thread; all find the same.
[[nodiscard]] CSP_API CSP_NOINLINE route choose_route() noexcept;
/// Sets errno, which a compiler must not do in code that may wait (netio/outcome.h). -1.
CSP_API CSP_NOINLINE ssize_t fail(long error) noexcept;

[[nodiscard]] CSP_ALWAYS_INLINE bool past_library() noexcept {
  // relaxed: whoever finds it unknown finds out for itself.
  const route known = chosen.load(std::memory_order_relaxed);
  return known == route::kernel || (known == route::unknown && choose_route() == route::kernel);
}

/// An argument as the kernel takes it.
template <class Value>
[[nodiscard]] CSP_ALWAYS_INLINE long word_of(Value* pointer) noexcept {
  return static_cast<long>(reinterpret_cast<std::intptr_t>(pointer));
}
[[nodiscard]] CSP_ALWAYS_INLINE long word_of(long value) noexcept { return value; }

/// A system call of six arguments: its value, or -error.
[[nodiscard]] CSP_ALWAYS_INLINE long enter_kernel(long number, long a, long b, long c, long d, long e,
                                                  long f) noexcept {
#if defined(__x86_64__)
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  long result = number;
  asm volatile("syscall" : "+a"(result) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = e;
  register long x5 asm("x5") = f;
  asm volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
#else
  static_cast<void>((number, a, b, c, d, e, f));
  return -1;  // choose_route() leads nobody here
#endif
}

template <class... Arguments>
[[nodiscard]] CSP_ALWAYS_INLINE ssize_t call(long number, Arguments... arguments) noexcept {
  long words[6] = {word_of(arguments)...};
  const long result = enter_kernel(number, words[0], words[1], words[2], words[3], words[4], words[5]);
  return result >= 0 ? result : fail(-result);
}

CSP_ALWAYS_INLINE ssize_t recvfrom(int fd, void* data, std::size_t size, int flags, sockaddr* from, socklen_t* length) {
  return past_library() ? call(SYS_recvfrom, fd, data, static_cast<long>(size), flags, from, length)
                        : real::recvfrom(fd, data, size, flags, from, length);
}

CSP_ALWAYS_INLINE ssize_t recv(int fd, void* data, std::size_t size, int flags) {
  return past_library() ? call(SYS_recvfrom, fd, data, static_cast<long>(size), flags)
                        : real::recv(fd, data, size, flags);
}

CSP_ALWAYS_INLINE ssize_t recvmsg(int fd, msghdr* message, int flags) {
  return past_library() ? call(SYS_recvmsg, fd, message, flags) : real::recvmsg(fd, message, flags);
}

CSP_ALWAYS_INLINE ssize_t sendto(int fd, const void* data, std::size_t size, int flags, const sockaddr* to,
                                 socklen_t length) {
  return past_library() ? call(SYS_sendto, fd, data, static_cast<long>(size), flags, to, static_cast<long>(length))
                        : real::sendto(fd, data, size, flags, to, length);
}

CSP_ALWAYS_INLINE ssize_t send(int fd, const void* data, std::size_t size, int flags) {
  return past_library() ? call(SYS_sendto, fd, data, static_cast<long>(size), flags)
                        : real::send(fd, data, size, flags);
}

CSP_ALWAYS_INLINE ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  return past_library() ? call(SYS_sendmsg, fd, message, flags) : real::sendmsg(fd, message, flags);
}

// At the file's own position, which is offset -1; its upper half is a word of its own that 64-bit kernels ignore.

CSP_ALWAYS_INLINE ssize_t preadv2(int fd, const iovec* parts, int count, int flags) {
  return past_library() ? call(SYS_preadv2, fd, parts, count, -1, 0, flags)
                        : real::preadv2(fd, parts, count, -1, flags);
}

CSP_ALWAYS_INLINE ssize_t pwritev2(int fd, const iovec* parts, int count, int flags) {
  return past_library() ? call(SYS_pwritev2, fd, parts, count, -1, 0, flags)
                        : real::pwritev2(fd, parts, count, -1, flags);
}

}  // namespace csp::inline v0::detail::prompt
