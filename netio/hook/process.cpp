// Waiting for children, for threads, and for the disk.
#include "netio/hook/call_blocking.h"
#include "netio/hook/define.h"
#include "netio/real.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace csp::inline v0::detail::hook {
namespace {

// Waits until the process has ended, by its pidfd; false when that cannot be told (stopped and continued children make
// no event; an old kernel has no pidfds), or the task was cancelled: then `error` says so.
[[nodiscard]] bool await_process(pid_t process, int& error) noexcept {
  const int fd = real::pidfd_open(process, 0);
  if (fd < 0) {
    return false;
  }
  adopt(fd, fd_kind::other);
  const ssize_t result = call_blocking(
      fd, io_direction::read, 0,
      [fd]() -> ssize_t {
        errno = EAGAIN;
        return looks_ready(fd, io_direction::read) ? 0 : -1;
      },
      never);
  error = result < 0 ? errno : 0;
  release(fd);
  real::close(fd);
  return result == 0;
}

pid_t wait_for_child(pid_t process, int* status, int options, rusage* usage) noexcept {
  const auto call = [&](int more) { return real::wait4(process, status, options | more, usage); };
  errno_guard keep;
  const pid_t at_once = call(WNOHANG);
  if (at_once != 0) {
    return keep(at_once);
  }
  // A stop or a continuation makes no event, and neither does "any child": those wait on another thread.
  int error = 0;
  if (process > 0 && (options & (WUNTRACED | WCONTINUED)) == 0) {
    if (await_process(process, error)) {
      return keep(call(0));
    }
    if (error != 0) {
      return keep.fail(error);
    }
  }
  return keep(offload(offload_to::lingering_calls, [&] { return call(0); }));
}

int wait_by_id(idtype_t type, id_t id, siginfo_t* info, int options) noexcept {
  errno_guard keep;
  return keep(offload(offload_to::lingering_calls, [=] { return real::waitid(type, id, info, options); }));
}

}  // namespace
}  // namespace csp::inline v0::detail::hook

namespace hook = csp::detail::hook;
namespace real = csp::detail::real;

extern "C" {

CSP_API pid_t wait4(pid_t process, int* status, int options, rusage* usage) noexcept {
  return hook::in_task() && (options & WNOHANG) == 0 ? hook::wait_for_child(process, status, options, usage)
                                                     : real::wait4(process, status, options, usage);
}

CSP_API pid_t waitpid(pid_t process, int* status, int options) {
  return hook::in_task() ? wait4(process, status, options, nullptr) : real::waitpid(process, status, options);
}

CSP_API pid_t wait(int* status) { return waitpid(-1, status, 0); }

CSP_API pid_t wait3(int* status, int options, rusage* usage) noexcept { return wait4(-1, status, options, usage); }

CSP_API int waitid(idtype_t type, id_t id, siginfo_t* info, int options) {
  return hook::in_task() && (options & WNOHANG) == 0 ? hook::wait_by_id(type, id, info, options)
                                                     : real::waitid(type, id, info, options);
}

CSP_API int pthread_join(pthread_t thread, void** result) {
  const auto call = [=] { return real::pthread_join(thread, result); };
  return hook::in_task() ? hook::offload(hook::offload_to::lingering_calls, call) : call();
}

CSP_API int fsync(int fd) {
  return hook::in_task() ? hook::offload(hook::offload_to::short_calls, [=] { return real::fsync(fd); })
                         : real::fsync(fd);
}

CSP_API int fdatasync(int fd) {
  return hook::in_task() ? hook::offload(hook::offload_to::short_calls, [=] { return real::fdatasync(fd); })
                         : real::fdatasync(fd);
}

}  // extern "C"

CSP_HOOK_ALIAS(__wait, wait);
CSP_HOOK_ALIAS(__waitpid, waitpid);
