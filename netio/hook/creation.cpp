// Calls that return a new descriptor number: what was known of the number before is void.
#include "netio/hook/call_blocking.h"
#include "netio/hook/define.h"
#include "netio/real.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <cstdarg>

namespace csp::inline v0::detail::hook {
namespace {

int adopted(int fd, fd_kind kind = fd_kind::other) noexcept {
  adopt(fd, kind);
  return fd;
}

int adopted_pair(int result, const int* fds, fd_kind kind, std::uint32_t sharings_before = 0) noexcept {
  if (result == 0) {
    adopt(fds[0], kind, sharings_before);
    adopt(fds[1], kind, sharings_before);
  }
  return result;
}

// Opening a named pipe waits for the other side; opening anything else is the disk's affair.
[[nodiscard]] bool waits_for_other_side(int folder, const char* path, int flags) noexcept {
  struct stat status {};
  const errno_guard keep;
  return (flags & (O_NONBLOCK | O_PATH)) == 0 && path != nullptr && ::fstatat(folder, path, &status, 0) == 0 &&
         S_ISFIFO(status.st_mode);
}

int open_any(int folder, const char* path, int flags, mode_t mode) noexcept {
  const auto call = [&] { return real::openat(folder, path, flags, mode); };
  const int fd =
      in_task() && waits_for_other_side(folder, path, flags) ? offload(offload_to::lingering_calls, call) : call();
  return adopted(fd, fd_kind::unknown);
}

// open(2): the mode is there only when a file may be made.
[[nodiscard]] bool has_mode(int flags) noexcept { return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE; }

}  // namespace
}  // namespace csp::inline v0::detail::hook

namespace hook = csp::detail::hook;
namespace real = csp::detail::real;
using hook::fd_kind;

extern "C" {

CSP_API int socket(int domain, int type, int protocol) noexcept {
  const std::uint32_t before = hook::sharings();
  const int fd = real::socket(domain, type, protocol);
  hook::adopt(fd, fd_kind::unknown, before);
  return fd;
}

CSP_API int socketpair(int domain, int type, int protocol, int* fds) noexcept {
  const std::uint32_t before = hook::sharings();
  return hook::adopted_pair(real::socketpair(domain, type, protocol, fds), fds, fd_kind::unknown, before);
}

CSP_API int pipe(int* fds) noexcept { return hook::adopted_pair(real::pipe(fds), fds, fd_kind::pipe); }

CSP_API int pipe2(int* fds, int flags) noexcept {
  return hook::adopted_pair(real::pipe2(fds, flags), fds, fd_kind::pipe);
}

CSP_API int eventfd(unsigned value, int flags) noexcept {
  return hook::adopted(real::eventfd(value, flags), fd_kind::eventfd);
}

CSP_API int timerfd_create(clockid_t clock, int flags) noexcept {
  return hook::adopted(real::timerfd_create(clock, flags));
}

CSP_API int signalfd(int fd, const sigset_t* mask, int flags) noexcept {
  const int result = real::signalfd(fd, mask, flags);
  return fd == -1 ? hook::adopted(result) : result;
}

CSP_API int pidfd_open(pid_t process, unsigned flags) noexcept {
  return hook::adopted(real::pidfd_open(process, flags));
}

CSP_API int memfd_create(const char* name, unsigned flags) noexcept {
  return hook::adopted(real::memfd_create(name, flags), fd_kind::file);
}

CSP_API int epoll_create(int size) noexcept { return hook::adopted(real::epoll_create(size)); }

CSP_API int epoll_create1(int flags) noexcept { return hook::adopted(real::epoll_create1(flags)); }

CSP_API int inotify_init() noexcept { return hook::adopted(real::inotify_init()); }

CSP_API int inotify_init1(int flags) noexcept { return hook::adopted(real::inotify_init1(flags)); }

CSP_API int open(const char* path, int flags, ...) {
  mode_t mode = 0;
  if (hook::has_mode(flags)) {
    va_list more;
    va_start(more, flags);
    mode = va_arg(more, mode_t);
    va_end(more);
  }
  return hook::open_any(AT_FDCWD, path, flags, mode);
}

CSP_API int openat(int folder, const char* path, int flags, ...) {
  mode_t mode = 0;
  if (hook::has_mode(flags)) {
    va_list more;
    va_start(more, flags);
    mode = va_arg(more, mode_t);
    va_end(more);
  }
  return hook::open_any(folder, path, flags, mode);
}

CSP_API int creat(const char* path, mode_t mode) {
  return hook::open_any(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

CSP_API int dup(int fd) noexcept { return hook::adopted(real::dup(fd), fd_kind::unknown); }

}  // extern "C"

CSP_HOOK_ALIAS(__socket, socket);
CSP_HOOK_ALIAS(__pipe, pipe);
CSP_HOOK_ALIAS(open64, open);
CSP_HOOK_ALIAS(__open, open);
CSP_HOOK_ALIAS(__open64, open);
CSP_HOOK_ALIAS(openat64, openat);
CSP_HOOK_ALIAS(creat64, creat);
