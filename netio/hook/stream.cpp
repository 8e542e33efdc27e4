// read, write and their kin on any kind of descriptor.
//
// The try is preadv2(2) or pwritev2(2) with RWF_NOWAIT, which sockets, pipes, eventfds, timerfds and page caches know,
// so that O_NONBLOCK, which other processes may share, is never touched. What does not know the flag is asked by
// poll(2) first (named pipes, terminals, inotify), or goes to another thread (files; writes to terminals).
#include "netio/hook/call_blocking.h"
#include "netio/hook/define.h"
#include "netio/hook/vector.h"
#include "netio/prompt_calls.h"
#include "netio/real.h"

#include <sys/uio.h>
#include <unistd.h>
#include <climits>
#include <cstring>

namespace csp::inline v0::detail::hook {
namespace {

[[nodiscard]] bool is_refused(int error) noexcept { return error == EOPNOTSUPP || error == ENOSYS; }

// The whole of a file's read or write, some of which may have been done without waiting for the disk.
template <class Call>
ssize_t finish_file(ssize_t done, rest_of_vector& rest, Call call) noexcept {
  if (done > 0) {
    rest.advance(static_cast<std::size_t>(done));
  }
  const ssize_t more = offload(offload_to::short_calls, [&] { return call(rest, done > 0 ? done : 0); });
  return done > 0 ? done + (more > 0 ? more : 0) : more;
}

ssize_t read_at_position(int fd, rest_of_vector& parts) noexcept {
  const std::size_t total = parts.bytes();
  const auto real_read = [fd](rest_of_vector& rest, ssize_t) {
    return real::readv(fd, rest.data(), static_cast<int>(rest.count()));
  };
  const fd_kind kind = known_kind(fd);
  bool is_file = kind == fd_kind::file;
  ssize_t at_once = -1;
  const ssize_t result = call_blocking(fd, io_direction::read, kind == fd_kind::tcp ? total : 0, [&] {
    ssize_t count = prompt::preadv2(fd, parts.data(), static_cast<int>(parts.count()), RWF_NOWAIT);
    const bool full = count == static_cast<ssize_t>(total);
    if (full || (count < 0 && errno != EAGAIN && !is_refused(errno))) {
      return count;
    }
    // A short count is the answer, but not of a file, of which only a part may have been in memory.
    if (is_file || (kind == fd_kind::unknown && kind_of(fd) == fd_kind::file)) {
      is_file = true;
      at_once = count;
      return ssize_t{0};
    }
    if (count < 0 && is_refused(errno)) {
      const auto call = [&] { return real_read(parts, 0); };
      count = is_nonblocking(fd) ? call() : when_ready(fd, io_direction::read, call);
    }
    return count;
  });
  return is_file && result == 0 ? finish_file(at_once, parts, real_read) : result;
}

// One step of a write that the kernel refuses to do without waiting; -1 with EAGAIN: not now.
ssize_t write_refused(int fd, rest_of_vector& rest) noexcept {
  const auto real_write = [&] { return real::writev(fd, rest.data(), static_cast<int>(rest.count())); };
  const fd_kind kind = kind_of(fd);
  if (kind == fd_kind::file) {
    return offload(offload_to::short_calls, real_write);
  }
  if (is_nonblocking(fd)) {
    return real_write();
  }
  if (kind == fd_kind::pipe) {
    // pipe(7): when poll says writable there is room for PIPE_BUF bytes.
    return when_ready(fd, io_direction::write, [&] {
      return real::write(fd, rest.data()->iov_base, std::min<std::size_t>(rest.data()->iov_len, PIPE_BUF));
    });
  }
  std::uint64_t value = 0;
  if (kind == fd_kind::eventfd && rest.data()->iov_len >= sizeof value) {
    std::memcpy(&value, rest.data()->iov_base, sizeof value);
  }
  if (value == 1) {
    return when_ready(fd, io_direction::write, real_write);  // writable: one more always fits
  }
  return offload(offload_to::lingering_calls, real_write);
}

// A try to write what is left. A socket that breaks in the middle has sent a part, and then the kernel gives no
// SIGPIPE; a pipe does get one.
ssize_t write_now(int fd, rest_of_vector& rest, bool is_first) noexcept {
  if (const fd_kind kind = is_first ? fd_kind::unknown : kind_of(fd); kind == fd_kind::tcp || kind == fd_kind::stream) {
    msghdr message{};
    message.msg_iov = rest.data();
    message.msg_iovlen = rest.count();
    return prompt::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  return prompt::pwritev2(fd, rest.data(), static_cast<int>(rest.count()), RWF_NOWAIT);
}

// Everything, as a blocking write does: short only when an error or a time limit comes in the middle.
ssize_t write_at_position(int fd, rest_of_vector& rest) noexcept {
  const auto total = static_cast<ssize_t>(rest.bytes());
  ssize_t done = 0;
  const ssize_t result = call_blocking(fd, io_direction::write, 0, [&]() -> ssize_t {
    while (done < total) {
      ssize_t count = write_now(fd, rest, done == 0);
      if (count < 0 && (is_refused(errno) || (errno == EAGAIN && kind_of(fd) == fd_kind::file))) {
        count = write_refused(fd, rest);
      }
      if (count <= 0) {
        return count;
      }
      rest.advance(static_cast<std::size_t>(count));
      done += count;
      if (done < total && kind_of(fd) == fd_kind::message) {
        break;
      }
    }
    return done;
  });
  return done > 0 ? done : result;
}

ssize_t read_some(int fd, const iovec* parts, int count) noexcept {
  rest_of_vector copy(parts, static_cast<std::size_t>(count));
  errno_guard keep;
  return keep(copy.complete() && copy.is_sane() ? read_at_position(fd, copy) : real::readv(fd, parts, count));
}

ssize_t write_some(int fd, const iovec* parts, int count) noexcept {
  rest_of_vector copy(parts, static_cast<std::size_t>(count));
  errno_guard keep;
  return keep(copy.complete() && copy.is_sane() ? write_at_position(fd, copy) : real::writev(fd, parts, count));
}

ssize_t read_at(int fd, void* data, std::size_t size, off_t offset) noexcept {
  errno_guard keep;
  iovec part{data, size};
  const ssize_t at_once = real::preadv2(fd, &part, 1, offset, RWF_NOWAIT);
  if (at_once == static_cast<ssize_t>(size) || (at_once < 0 && errno != EAGAIN && !is_refused(errno))) {
    return keep(at_once);
  }
  rest_of_vector rest(&part, 1);
  return keep(finish_file(at_once, rest, [&](rest_of_vector& left, ssize_t done) {
    return real::pread(fd, left.data()->iov_base, left.data()->iov_len, offset + done);
  }));
}

ssize_t write_at(int fd, const void* data, std::size_t size, off_t offset) noexcept {
  errno_guard keep;
  return keep(offload(offload_to::short_calls, [&] { return real::pwrite(fd, data, size, offset); }));
}

}  // namespace
}  // namespace csp::inline v0::detail::hook

namespace hook = csp::detail::hook;
namespace real = csp::detail::real;

extern "C" {

CSP_API ssize_t read(int fd, void* data, std::size_t size) {
  if (!hook::in_task() || size == 0 || size > SSIZE_MAX) {
    return real::read(fd, data, size);
  }
  if (hook::is_known_stream(fd)) {
    return recv(fd, data, size, 0);
  }
  const iovec part{data, size};
  return hook::read_some(fd, &part, 1);
}

CSP_API ssize_t readv(int fd, const iovec* parts, int count) {
  if (!hook::in_task() || count <= 0 || count > IOV_MAX) {
    return real::readv(fd, parts, count);
  }
  return hook::read_some(fd, parts, count);
}

CSP_API ssize_t write(int fd, const void* data, std::size_t size) {
  if (!hook::in_task() || size == 0 || size > SSIZE_MAX) {
    return real::write(fd, data, size);
  }
  if (hook::is_known_stream(fd)) {
    return send(fd, data, size, 0);
  }
  const iovec part{const_cast<void*>(data), size};
  return hook::write_some(fd, &part, 1);
}

CSP_API ssize_t writev(int fd, const iovec* parts, int count) {
  if (!hook::in_task() || count <= 0 || count > IOV_MAX) {
    return real::writev(fd, parts, count);
  }
  return hook::write_some(fd, parts, count);
}

CSP_API ssize_t pread(int fd, void* data, std::size_t size, off_t offset) {
  if (!hook::in_task() || size == 0 || size > SSIZE_MAX || offset < 0) {
    return real::pread(fd, data, size, offset);
  }
  return hook::read_at(fd, data, size, offset);
}

CSP_API ssize_t pwrite(int fd, const void* data, std::size_t size, off_t offset) {
  return hook::in_task() ? hook::write_at(fd, data, size, offset) : real::pwrite(fd, data, size, offset);
}

}  // extern "C"

CSP_HOOK_ALIAS(__read, read);
CSP_HOOK_ALIAS(__write, write);
CSP_HOOK_ALIAS(pread64, pread);
CSP_HOOK_ALIAS(__pread64, pread);
CSP_HOOK_ALIAS(pwrite64, pwrite);
CSP_HOOK_ALIAS(__pwrite64, pwrite);
