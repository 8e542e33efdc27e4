// sendfile: it has no flag against blocking, so what goes to a socket is read and sent by us; all else goes to another
// thread.
#include "netio/hook/call_blocking.h"
#include "netio/hook/define.h"
#include "netio/real.h"

#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>
#include <algorithm>
#include <memory>

namespace csp::inline v0::detail::hook {
namespace {

/// Bytes read ahead of the socket: what a socket takes at once, mostly.
constexpr std::size_t chunk = 64 * 1024;

ssize_t file_to_socket(int out, int in, off_t* offset, std::size_t size) noexcept {
  const std::unique_ptr<std::byte[]> buffer(new (std::nothrow) std::byte[chunk]);
  if (buffer == nullptr) {
    errno = ENOMEM;
    return -1;
  }
  const off_t start = offset != nullptr ? *offset : ::lseek(in, 0, SEEK_CUR);
  if (start < 0) {
    errno = offset != nullptr ? EINVAL : errno;
    return -1;
  }
  std::size_t done = 0;
  ssize_t last = 0;
  while (done < size) {
    const off_t position = start + static_cast<off_t>(done);
    const std::size_t wanted = std::min(size - done, chunk);
    last = offload(offload_to::short_calls, [&] { return real::pread(in, buffer.get(), wanted, position); });
    if (last <= 0) {
      break;
    }
    const auto available = static_cast<std::size_t>(last);
    std::size_t gone = 0;
    last = call_blocking(out, io_direction::write, 0, [&]() -> ssize_t {
      while (gone < available) {
        const int flags = MSG_DONTWAIT | (done + gone > 0 ? MSG_NOSIGNAL : 0);  // a part was sent: no SIGPIPE
        const ssize_t count = real::send(out, buffer.get() + gone, available - gone, flags);
        if (count < 0) {
          return -1;
        }
        gone += static_cast<std::size_t>(count);
      }
      return static_cast<ssize_t>(gone);
    });
    done += gone;
    if (last < 0) {
      break;
    }
  }
  const off_t end = start + static_cast<off_t>(done);
  if (offset != nullptr) {
    *offset = end;
  } else if (done != 0) {
    static_cast<void>(::lseek(in, end, SEEK_SET));
  }
  return done != 0 ? static_cast<ssize_t>(done) : last;
}

ssize_t send_file(int out, int in, off_t* offset, std::size_t size) noexcept {
  errno_guard keep;
  const fd_kind to = kind_of(out);
  if (size != 0 && (to == fd_kind::tcp || to == fd_kind::stream) && kind_of(in) == fd_kind::file) {
    return keep(file_to_socket(out, in, offset, size));
  }
  return keep(offload(offload_to::lingering_calls, [=] { return real::sendfile(out, in, offset, size); }));
}

}  // namespace
}  // namespace csp::inline v0::detail::hook

namespace hook = csp::detail::hook;
namespace real = csp::detail::real;

extern "C" {

CSP_API ssize_t sendfile(int out, int in, off_t* offset, std::size_t size) noexcept {
  return hook::in_task() && !hook::is_nonblocking(out) ? hook::send_file(out, in, offset, size)
                                                       : real::sendfile(out, in, offset, size);
}

}  // extern "C"

CSP_HOOK_ALIAS(sendfile64, sendfile);
