// fcntl and socket options: what they change that the hooks go by; and locks, which may wait for others.
#include "netio/hook/call_blocking.h"
#include "netio/hook/define.h"
#include "netio/real.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <cstdarg>

namespace csp::inline v0::detail::hook {
namespace {

// A lock on a part of a file: tried first, then waited for on another thread. POSIX locks belong to the process, and
// those of open files to the file, so any thread may take them.
int lock_part(int fd, int command, void* lock) noexcept {
  errno_guard keep;
  const int at_once = real::fcntl(fd, command == F_SETLKW ? F_SETLK : F_OFD_SETLK, lock);
  if (at_once == 0 || (errno != EAGAIN && errno != EACCES)) {
    return keep(at_once);
  }
  return keep(offload(offload_to::lingering_calls, [=] { return real::fcntl(fd, command, lock); }));
}

int control(int fd, int command, void* argument) noexcept {
  switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC: {
      const int fresh = real::fcntl(fd, command, argument);
      adopt(fresh);
      return fresh;
    }
    case F_SETFL: {
      const int result = real::fcntl(fd, command, argument);
      forget_flags();
      return result;
    }
    case F_SETLKW:
    case F_OFD_SETLKW:
      return in_task() ? lock_part(fd, command, argument) : real::fcntl(fd, command, argument);
    default:
      return real::fcntl(fd, command, argument);
  }
}

}  // namespace
}  // namespace csp::inline v0::detail::hook

namespace hook = csp::detail::hook;
namespace real = csp::detail::real;

extern "C" {

CSP_API int fcntl(int fd, int command, ...) {
  va_list more;
  va_start(more, command);
  void* const argument = va_arg(more, void*);  // an int travels in the same register
  va_end(more);
  return hook::control(fd, command, argument);
}

CSP_API int ioctl(int fd, unsigned long request, ...) noexcept {
  va_list more;
  va_start(more, request);
  void* const argument = va_arg(more, void*);
  va_end(more);
  const int result = real::ioctl(fd, request, argument);
  if (request == FIONBIO) {
    hook::forget_flags();
  }
  return result;
}

CSP_API int setsockopt(int fd, int level, int name, const void* value, socklen_t size) noexcept {
  const int result = real::setsockopt(fd, level, name, value, size);
  if (level == SOL_SOCKET &&
      (name == SO_RCVTIMEO || name == SO_SNDTIMEO || name == SO_RCVTIMEO_NEW || name == SO_SNDTIMEO_NEW)) {
    hook::forget_limits();
  }
  return result;
}

CSP_API int flock(int fd, int operation) noexcept {
  if (!hook::in_task() || (operation & LOCK_NB) != 0) {
    return real::flock(fd, operation);
  }
  hook::errno_guard keep;
  const int at_once = real::flock(fd, operation | LOCK_NB);
  if (at_once == 0 || errno != EWOULDBLOCK) {
    return keep(at_once);
  }
  return keep(hook::offload(hook::offload_to::lingering_calls, [=] { return real::flock(fd, operation); }));
}

}  // extern "C"

CSP_HOOK_ALIAS(fcntl64, fcntl);
CSP_HOOK_ALIAS(__fcntl, fcntl);
