// recv, send and their kin: on sockets only, where MSG_DONTWAIT asks for a try.
#include "netio/hook/call_blocking.h"
#include "netio/hook/define.h"
#include "netio/hook/vector.h"
#include "netio/prompt_calls.h"
#include "netio/real.h"

#include <poll.h>
#include <sys/socket.h>
#include <algorithm>
#include <climits>

namespace csp::inline v0::detail::hook {
namespace {

/// With these the real call does not wait.
constexpr int never_waits = MSG_DONTWAIT | MSG_ERRQUEUE | MSG_OOB;

// MSG_WAITALL has a meaning on streams only, and for a peek on TCP only.
[[nodiscard]] bool waits_for_all(int fd, int flags) noexcept {
  if ((flags & MSG_WAITALL) == 0) {
    return false;
  }
  const fd_kind kind = kind_of(fd);
  return kind == fd_kind::tcp || (kind == fd_kind::stream && (flags & MSG_PEEK) == 0);
}

// What a short count proves only on TCP, and not for a peek.
[[nodiscard]] std::size_t asked(int fd, int flags, std::size_t size) noexcept {
  return (flags & MSG_PEEK) == 0 && known_kind(fd) == fd_kind::tcp ? size : 0;
}

// True when nothing more will come, so that a peek can see no more than it has.
[[nodiscard]] bool is_over(int fd) noexcept {
  pollfd subject{fd, POLLIN | POLLRDHUP, 0};
  return real::poll(&subject, 1, 0) > 0 && (subject.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

// Receives by `receive(flags, done)`, which must not block, until `size` bytes have come where all are waited for.
template <class Receive>
ssize_t receive_by(int fd, int flags, std::size_t size, Receive receive) noexcept {
  const bool all = waits_for_all(fd, flags) && size != 0;
  const bool peeks = (flags & MSG_PEEK) != 0;
  ssize_t done = 0;
  bool ended = false;
  const ssize_t result = call_blocking(fd, io_direction::read, all ? 0 : asked(fd, flags, size), [&]() -> ssize_t {
    for (;;) {
      const ssize_t count = receive(flags | MSG_DONTWAIT, peeks ? 0 : done);
      if (!all || count < 0) {
        return count;
      }
      ended = count == 0 || (peeks && is_over(fd));
      done = peeks ? count : done + count;
      if (ended || done >= static_cast<ssize_t>(size)) {
        return done;
      }
      if (peeks) {
        errno = EAGAIN;  // what is there stays there: wait for more
        return -1;
      }
    }
  });
  return result < 0 && done > 0 ? done : result;
}

// Sends by `send(flags, done)` until all `size` bytes of a stream have gone; a message goes at once or not at all. A
// stream that breaks in the middle has sent a part: no SIGPIPE, as in the kernel.
template <class Send>
ssize_t send_by(int fd, int flags, std::size_t size, Send send) noexcept {
  ssize_t done = 0;
  const ssize_t result = call_blocking(fd, io_direction::write, 0, [&]() -> ssize_t {
    for (;;) {
      const ssize_t count = send(flags | MSG_DONTWAIT | (done > 0 ? MSG_NOSIGNAL : 0), done);
      if (count < 0) {
        return count;
      }
      done += count;
      if (count == 0 || done >= static_cast<ssize_t>(size)) {
        return done;
      }
    }
  });
  return done > 0 ? done : result;
}

// The message without the part that is done; names and control data went with the first part.
[[nodiscard]] msghdr remainder(const msghdr& whole, const rest_of_vector& rest) noexcept {
  msghdr result = whole;
  result.msg_iov = rest.data();
  result.msg_iovlen = rest.count();
  result.msg_control = nullptr;
  result.msg_controllen = 0;
  return result;
}

ssize_t receive_message(int fd, msghdr* message, int flags) noexcept {
  rest_of_vector rest(message->msg_iov, message->msg_iovlen);
  if (!rest.complete()) {
    return real::recvmsg(fd, message, flags);
  }
  ssize_t advanced = 0;
  return receive_by(fd, flags, rest.bytes(), [&](int step_flags, ssize_t done) {
    if (done == 0) {
      return prompt::recvmsg(fd, message, step_flags);
    }
    rest.advance(static_cast<std::size_t>(done - advanced));
    advanced = done;
    msghdr step = remainder(*message, rest);
    return prompt::recvmsg(fd, &step, step_flags);
  });
}

ssize_t send_message(int fd, const msghdr* message, int flags) noexcept {
  if (may_carry_descriptors(fd, message->msg_controllen)) {
    note_sharing();
  }
  rest_of_vector rest(message->msg_iov, message->msg_iovlen);
  if (!rest.complete()) {
    return real::sendmsg(fd, message, flags);
  }
  ssize_t advanced = 0;
  return send_by(fd, flags, rest.bytes(), [&](int step_flags, ssize_t done) {
    if (done == 0) {
      return prompt::sendmsg(fd, message, step_flags);
    }
    rest.advance(static_cast<std::size_t>(done - advanced));
    advanced = done;
    const msghdr step = remainder(*message, rest);
    return prompt::sendmsg(fd, &step, step_flags);
  });
}

// The real call, outside of a task or with arguments that only the kernel should look at: what a message has taken
// along is noted when it has gone.
ssize_t pass_on(int fd, const msghdr* message, int flags) noexcept {
  const ssize_t sent = real::sendmsg(fd, message, flags);
  if (sent >= 0 && may_carry_descriptors(fd, message->msg_controllen)) {
    note_sharing();
  }
  return sent;
}

int pass_on(int fd, mmsghdr* messages, unsigned count, int flags) noexcept {
  const int sent = real::sendmmsg(fd, messages, count, flags);
  for (int i = 0; i < sent; ++i) {
    if (may_carry_descriptors(fd, messages[i].msg_hdr.msg_controllen)) {
      note_sharing();
    }
  }
  return sent;
}

constexpr nanos nanos_per_second = 1'000'000'000;

// Some of the next messages, at least one: what is there already needs one call. On a stream of which all is waited for
// it may be too little.
int receive_next(int fd, mmsghdr* messages, unsigned most, int flags) noexcept {
  if ((flags & MSG_WAITALL) == 0) {
    const int got = real::recvmmsg(fd, messages, most, flags | MSG_DONTWAIT, nullptr);
    if (got > 0 || errno != EAGAIN || (flags & MSG_DONTWAIT) != 0) {
      return got;
    }
  }
  const ssize_t size = (flags & MSG_DONTWAIT) != 0 ? real::recvmsg(fd, &messages->msg_hdr, flags)
                                                   : receive_message(fd, &messages->msg_hdr, flags);
  if (size < 0) {
    return -1;
  }
  messages->msg_len = static_cast<unsigned>(size);
  return 1;
}

// recvmmsg(2): one message after the other, each as recvmsg would. The time limit is looked at after each only; what is
// left of it is written back.
int receive_messages(int fd, mmsghdr* messages, unsigned count, int flags, timespec* limit) noexcept {
  nanos length = 0;
  const bool limited = limit != nullptr && !__builtin_mul_overflow(nanos{limit->tv_sec}, nanos_per_second, &length);
  const nanos end = limited ? add_saturating(steady_now(), add_saturating(length, limit->tv_nsec)) : never;
  unsigned done = 0;
  while (done < count) {
    const int step_flags = (flags & ~MSG_WAITFORONE) | (done != 0 && (flags & MSG_WAITFORONE) != 0 ? MSG_DONTWAIT : 0);
    const int got = receive_next(fd, messages + done, limited ? 1 : count - done, step_flags);
    if (got <= 0) {
      break;
    }
    done += static_cast<unsigned>(got);
    if (limited) {
      const nanos left = std::max(end - steady_now(), nanos{0});
      *limit = {static_cast<std::time_t>(left / nanos_per_second), static_cast<long>(left % nanos_per_second)};
      if (left == 0) {
        break;
      }
    }
  }
  return done != 0 ? static_cast<int>(done) : -1;
}

[[nodiscard]] bool is_valid(const timespec* limit) noexcept {
  return limit == nullptr || (limit->tv_sec >= 0 && limit->tv_nsec >= 0 && limit->tv_nsec < nanos_per_second);
}

}  // namespace
}  // namespace csp::inline v0::detail::hook

namespace hook = csp::detail::hook;
namespace prompt = csp::detail::prompt;
namespace real = csp::detail::real;

extern "C" {

CSP_API ssize_t recvfrom(int fd, void* data, std::size_t size, int flags, sockaddr* from, socklen_t* length) {
  if (!hook::in_task() || (flags & hook::never_waits) != 0) {
    return real::recvfrom(fd, data, size, flags, from, length);
  }
  hook::errno_guard keep;
  return keep(hook::receive_by(fd, flags, size, [&](int step_flags, ssize_t done) {
    return prompt::recvfrom(fd, static_cast<std::byte*>(data) + done, size - static_cast<std::size_t>(done), step_flags,
                            from, length);
  }));
}

CSP_API ssize_t recv(int fd, void* data, std::size_t size, int flags) {
  return hook::in_task() ? recvfrom(fd, data, size, flags, nullptr, nullptr) : real::recv(fd, data, size, flags);
}

CSP_API ssize_t recvmsg(int fd, msghdr* message, int flags) {
  if (!hook::in_task() || message == nullptr || message->msg_iovlen > IOV_MAX || (flags & hook::never_waits) != 0) {
    return real::recvmsg(fd, message, flags);
  }
  hook::errno_guard keep;
  return keep(hook::receive_message(fd, message, flags));
}

CSP_API int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags, timespec* limit) {
  if (!hook::in_task() || messages == nullptr || count == 0 || (flags & hook::never_waits) != 0 ||
      !hook::is_valid(limit)) {
    return real::recvmmsg(fd, messages, count, flags, limit);
  }
  hook::errno_guard keep;
  return keep(hook::receive_messages(fd, messages, std::min<unsigned>(count, UIO_MAXIOV), flags, limit));
}

CSP_API ssize_t sendto(int fd, const void* data, std::size_t size, int flags, const sockaddr* to, socklen_t length) {
  if (!hook::in_task() || (flags & hook::never_waits) != 0) {
    return real::sendto(fd, data, size, flags, to, length);
  }
  hook::errno_guard keep;
  return keep(hook::send_by(fd, flags, size, [&](int step_flags, ssize_t done) {
    return prompt::sendto(fd, static_cast<const std::byte*>(data) + done, size - static_cast<std::size_t>(done),
                          step_flags, to, length);
  }));
}

CSP_API ssize_t send(int fd, const void* data, std::size_t size, int flags) {
  return hook::in_task() ? sendto(fd, data, size, flags, nullptr, 0) : real::send(fd, data, size, flags);
}

CSP_API ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  if (!hook::in_task() || message == nullptr || message->msg_iovlen > IOV_MAX || (flags & hook::never_waits) != 0) {
    return hook::pass_on(fd, message, flags);
  }
  hook::errno_guard keep;
  return keep(hook::send_message(fd, message, flags));
}

CSP_API int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  if (!hook::in_task() || messages == nullptr || count == 0 || (flags & hook::never_waits) != 0) {
    return hook::pass_on(fd, messages, count, flags);
  }
  hook::errno_guard keep;
  unsigned done = 0;
  while (done < std::min<unsigned>(count, UIO_MAXIOV)) {
    const ssize_t sent = hook::send_message(fd, &messages[done].msg_hdr, flags);
    if (sent < 0) {
      break;
    }
    messages[done++].msg_len = static_cast<unsigned>(sent);
  }
  return keep(done != 0 ? static_cast<int>(done) : -1);
}

}  // extern "C"

CSP_HOOK_ALIAS(__recv, recv);
CSP_HOOK_ALIAS(__send, send);
CSP_HOOK_ALIAS(__sendmmsg, sendmmsg);
