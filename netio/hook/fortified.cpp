// What the compiler calls in place of read, recv, poll and others under -D_FORTIFY_SOURCE: the same with the size of
// the caller's buffer, which must not be overrun. See glibc's debug/ for the list.
#include "netio/hook/define.h"
#include "netio/real.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

extern "C" {

[[noreturn]] void __chk_fail() noexcept;  // NOLINT(bugprone-reserved-identifier)

CSP_API ssize_t __read_chk(int fd, void* data, std::size_t size, std::size_t room) {
  if (size > room) __chk_fail();
  return read(fd, data, size);
}

CSP_API ssize_t __pread_chk(int fd, void* data, std::size_t size, off_t offset, std::size_t room) {
  if (size > room) __chk_fail();
  return pread(fd, data, size, offset);
}

CSP_API ssize_t __recv_chk(int fd, void* data, std::size_t size, std::size_t room, int flags) {
  if (size > room) __chk_fail();
  return recv(fd, data, size, flags);
}

CSP_API ssize_t __recvfrom_chk(int fd, void* data, std::size_t size, std::size_t room, int flags, sockaddr* from,
                               socklen_t* length) {
  if (size > room) __chk_fail();
  return recvfrom(fd, data, size, flags, from, length);
}

CSP_API int __poll_chk(pollfd* subjects, nfds_t count, int milliseconds, std::size_t room) {
  if (room / sizeof(pollfd) < count) __chk_fail();
  return poll(subjects, count, milliseconds);
}

CSP_API int __ppoll_chk(pollfd* subjects, nfds_t count, const timespec* limit, const sigset_t* mask, std::size_t room) {
  if (room / sizeof(pollfd) < count) __chk_fail();
  return ppoll(subjects, count, limit, mask);
}

// open without a mode, which O_CREAT would need.
CSP_API int __open_2(const char* path, int flags) {
  if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE) __chk_fail();
  return open(path, flags);
}

CSP_API int __openat_2(int folder, const char* path, int flags) {
  if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE) __chk_fail();
  return openat(folder, path, flags);
}

}  // extern "C"

CSP_HOOK_ALIAS(__pread64_chk, __pread_chk);
CSP_HOOK_ALIAS(__open64_2, __open_2);
CSP_HOOK_ALIAS(__openat64_2, __openat_2);
