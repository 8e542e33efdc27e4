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

// True when accept would wait here; for all else the real call has an answer at once.
[[nodiscard]] bool is_listening(int fd) noexcept {
  int listening = 0;
  socklen_t size = sizeof listening;
  return real::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

int accept_in_task(int fd, sockaddr* address, socklen_t* length, int flags) noexcept {
  const auto call = [=] { return real::accept4(fd, address, length, flags); };
  bool checked = false;
  return static_cast<int>(call_blocking(fd, io_direction::read, 0, [&]() -> ssize_t {
    const int fresh = when_ready(fd, io_direction::read, call);
    if (fresh >= 0 || errno != EAGAIN || checked) {
      return fresh;
    }
    checked = is_listening(fd);
    errno = EAGAIN;
    return checked ? -1 : call();
  }));
}

int accept_any(int fd, sockaddr* address, socklen_t* length, int flags) noexcept {
  errno_guard keep;
  const bool emulated = in_task() && (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) == 0;
  const int fresh =
      keep(emulated ? accept_in_task(fd, address, length, flags) : real::accept4(fd, address, length, flags));
  adopt(fresh, is_known(fd) ? kind_of(fd) : fd_kind::unknown);
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
  errno = error;
  return result;
}

// The error that has ended the attempt to connect; 0 for none.
[[nodiscard]] int take_error(int fd) noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  return real::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

int connect_in_task(int fd, const sockaddr* address, socklen_t length) noexcept {
  io_options options;
  options.deadline = add_saturating(steady_now(), time_limit(fd, io_direction::write));
  options.foreign = !is_known(fd);
  options.sticky = true;
  io_operation operation(fd, io_direction::write, options);
  bool waited = false;
  for (;;) {
    static_cast<void>(operation.begin_try());
    if (const int error = waited ? take_error(fd) : 0; error != 0) {
      // One more call leaves the socket as a blocking call does: ready for another attempt. When it was shut down while
      // it was connecting it is so already, and the call would be that attempt.
      if (error != ECONNRESET) {
        static_cast<void>(begin_connect(fd, address, length));
      }
      errno = error;
      return -1;
    }
    // The same after a success: it makes the socket a connected one.
    const int result = begin_connect(fd, address, length);
    const int error = errno;
    if (result != 0 && error == EAGAIN) {
      // A local socket whose backlog is full: nothing tells when there is room. Whoever waits in the kernel is woken.
      return offload(offload_to::lingering_calls, [&] { return real::connect(fd, address, length); });
    }
    if (result == 0 || (error != EINPROGRESS && error != EALREADY)) {
      operation.end_try(false);
      return result;
    }
    if (!wait_for(operation, fd, io_direction::write)) {
      errno = errno == EAGAIN ? error : errno;  // socket(7), SO_SNDTIMEO
      return -1;
    }
    waited = true;
  }
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
