// The calls that read and write bytes, in one shape, so that a probe can be written once for all of them; and the names
// that glibc exports without declaring them.
#pragma once

#include "test/fidelity/frame.h"

#include <cstddef>
#include <span>

#include <fcntl.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

// Aliases of the public names, and the forms that -D_FORTIFY_SOURCE calls; the last argument of the latter is the size
// of the buffer. From glibc's ABI lists.
extern "C" {
ssize_t __read(int fd, void* buffer, size_t size);
ssize_t __write(int fd, const void* data, size_t size);
ssize_t __pread64(int fd, void* buffer, size_t size, off64_t offset);
ssize_t __pwrite64(int fd, const void* data, size_t size, off64_t offset);
ssize_t __send(int fd, const void* data, size_t size, int flags);
int __connect(int fd, const sockaddr* name, socklen_t size);
int __close(int fd);
int __dup2(int from, int to);
int __pipe(int ends[2]);
int __fcntl(int fd, int command, ...);
int __open(const char* path, int flags, ...);
int __open64(const char* path, int flags, ...);
int __open_2(const char* path, int flags);
int __open64_2(const char* path, int flags);
int __openat_2(int folder, const char* path, int flags);
int __openat64_2(int folder, const char* path, int flags);
int __poll(pollfd* entries, nfds_t count, int timeout);
int __select(int count, fd_set* reads, fd_set* writes, fd_set* errors, timeval* timeout);
int __nanosleep(const timespec* length, timespec* rest);
int pidfd_open(pid_t process, unsigned flags);  // <sys/pidfd.h> of glibc 2.36 forgets that it is C
pid_t __wait(int* status);
pid_t __waitpid(pid_t child, int* status, int options);
ssize_t __read_chk(int fd, void* buffer, size_t size, size_t room);
ssize_t __pread_chk(int fd, void* buffer, size_t size, off_t offset, size_t room);
ssize_t __pread64_chk(int fd, void* buffer, size_t size, off64_t offset, size_t room);
ssize_t __recv_chk(int fd, void* buffer, size_t size, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void* buffer, size_t size, size_t room, int flags, sockaddr* name, socklen_t* name_size);
int __poll_chk(pollfd* entries, nfds_t count, int timeout, size_t room);
int __ppoll_chk(pollfd* entries, nfds_t count, const timespec* timeout, const sigset_t* mask, size_t room);
}

namespace fidelity {

struct read_call {
  const char* name;
  bool sockets_only;
  ssize_t (*run)(int fd, void* buffer, std::size_t size, int flags);  ///< the flags are those of recv
};

struct write_call {
  const char* name;
  bool sockets_only;
  ssize_t (*run)(int fd, const void* data, std::size_t size, int flags);  ///< the flags are those of send
};

/// read first, then the other plain ones, then those for sockets. readv and the like use three buffers, one empty.
std::span<const read_call> read_calls();
/// write first.
std::span<const write_call> write_calls();

const read_call& read_call_named(std::string_view name);
const write_call& write_call_named(std::string_view name);

/// Reads up to `size` bytes and notes the result and the bytes.
result note_read(outcome& out, const read_call& reader, int fd, std::size_t size = 100, int flags = 0);
/// read(2) as above, under its own name.
result note_read(outcome& out, int fd, std::size_t size = 100);
/// The same, of what a peer at the other end sends when we wait.
void note_waiting_read(outcome& out, int fd, int far);
/// recv(2) as above.
result note_recv(outcome& out, int fd, std::size_t size, int flags);

}  // namespace fidelity
