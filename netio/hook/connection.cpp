// accept and connect.
//
// accept(2) has no flag against blocking: poll(2) is asked first, and the tasks and threads of this program take turns.
// connect(2) has none either: O_NONBLOCK is on for the length of the call alone, on a socket that no other process can
// be using yet.
#include "netio/hook/call_blocking.h"
#include "netio/hook/define.h"
#include "netio/real.h"

#include <fcntl.h>
#include <sys/socket.h>

namespace csp::inline v0::detail::hook {
namespace {

// False for what never gets ready, however long one waits: the real call has an error for it.
[[nodiscard]] bool can_accept(int fd, int flags) noexcept {
  int listening = 0;
  socklen_t size = sizeof listening;
  return (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) == 0 &&
         real::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

// `before`: what sharings() was before the call that has made the socket.
int accept_in_task(int fd, sockaddr* address, socklen_t* length, int flags, std::uint32_t& before) noexcept {
  bool tried = false;
  return static_cast<int>(call_blocking(fd, io_direction::read, 0, [&]() -> ssize_t {
    const auto call = [&] {
      before = sharings();
      return real::accept4(fd, address, length, flags);
    };
    const int fresh = when_ready(fd, io_direction::read, call);
    if (fresh >= 0 || errno != EAGAIN || tried) {
      return fresh;
    }
    tried = true;
    if (!can_accept(fd, flags)) {
      return call();
    }
    errno = EAGAIN;
    return -1;
  }));
}

int accept_any(int fd, sockaddr* address, socklen_t* length, int flags) noexcept {
  errno_guard keep;
  std::uint32_t before = sharings();
  const int fresh =
      keep(in_task() ? accept_in_task(fd, address, length, flags, before) : real::accept4(fd, address, length, flags));
  adopt(fresh, known_kind(fd), before);
  return fresh;
}

// Begins to connect, without waiting for the outcome.
int begin_connect(int fd, const sockaddr* address, socklen_t length) noexcept {
  const std::lock_guard guard(turn(fd));
  const int flags = real::fcntl(fd, F_GETFL, nullptr);
  const auto set = [fd](int value) {
    return real::fcntl(fd, F_SETFL, reinterpret_cast<void*>(static_cast<std::intptr_t>(value)));
  };
  if (flags < 0 || set(flags | O_NONBLOCK) < 0) {
    return -1;
  }
  const int result = real::connect(fd, address, length);
  const int error = errno;
  static_cast<void>(set(flags));
  forget_flags();  // somebody may have looked meanwhile
  errno = error;
  return result;
}

// The outcome of an attempt, after an edge; EALREADY when that was a stray one. Another connect tells the socket that
// its caller knows: without it a third one would not say EISCONN, or not be allowed to try again after a failure.
int finish_connect(int fd, const sockaddr* address, socklen_t length) noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  if (real::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
    return -1;
  }
  if (error == 0) {
    return begin_connect(fd, address, length);
  }
  if (error != ECONNRESET) {  // that is a shutdown's meanwhile, which needs no more; a connect would begin anew
    static_cast<void>(begin_connect(fd, address, length));
  }
  errno = error;
  return -1;
}

int connect_in_task(int fd, const sockaddr* address, socklen_t length) noexcept {
  const nanos limit = time_limit(fd, io_direction::write);
  const nanos deadline = add_saturating(steady_now(), limit);
  io_options options;
  options.deadline = deadline;
  options.foreign = !is_known(fd);
  options.sticky = true;
  io_operation operation(fd, io_direction::write, options);
  static_cast<void>(operation.begin_try());
  int result = begin_connect(fd, address, length);
  if (result == 0) {
    return 0;
  }
  if (errno == EAGAIN) {
    // A local socket whose backlog is full: nothing tells when there is room. Whoever waits in the kernel is woken.
    return offload(offload_to::lingering_calls, [&] { return real::connect(fd, address, length); });
  }
  // EINPROGRESS, or EALREADY when it had begun before; socket(7) has these for SO_SNDTIMEO too.
  const int pending = errno;
  while (result != 0 && (errno == EINPROGRESS || errno == EALREADY)) {
    if (!wait_for(operation, fd, io_direction::write)) {
      errno = errno == EAGAIN ? pending : errno;
      return -1;
    }
    static_cast<void>(operation.begin_try());
    result = finish_connect(fd, address, length);
  }
  const int error = errno;
  operation.end_try(false);
  errno = error;
  return result;
}

}  // namespace
}  // namespace csp::inline v0::detail::hook

namespace hook = csp::detail::hook;
namespace real = csp::detail::real;

extern "C" {

CSP_API int accept(int fd, sockaddr* address, socklen_t* length) { return hook::accept_any(fd, address, length, 0); }

CSP_API int accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
  return hook::accept_any(fd, address, length, flags);
}

CSP_API int connect(int fd, const sockaddr* address, socklen_t length) {
  if (!hook::in_task() || hook::is_nonblocking(fd)) {
    return real::connect(fd, address, length);
  }
  hook::errno_guard keep;
  return keep(hook::connect_in_task(fd, address, length));
}

}  // extern "C"

CSP_HOOK_ALIAS(__connect, connect);
