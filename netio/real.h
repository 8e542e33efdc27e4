// The C library's own functions, past any hook of ours: the only place that looks them up.
//
// Each object is called like its function, from any thread, and finds it at its first call. libcsp calls these, so that
// its own work never enters the hooks.
#pragma once

#include "sched/base/config.h"

#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <ctime>

struct rusage;

namespace csp::inline v0::detail::real {

/// The address of the C library's function `name`. Ends the program when it has none.
[[nodiscard]] CSP_API void* look_up(const char* name) noexcept;

/// A loaded program or library.
struct module {
  const void* base = nullptr;
  const char* path = "?";
};
/// Where an address was loaded from.
[[nodiscard]] CSP_API module module_of(const void* address) noexcept;
/// The C library itself; none when it is not glibc.
[[nodiscard]] CSP_API module module_of_library() noexcept;
/// Where the function lies that the program gets when it calls `name`.
[[nodiscard]] CSP_API module module_in_force(const char* name) noexcept;

/// What all of them have in common.
class function_base {
 public:
  explicit constexpr function_base(const char* name) noexcept : name_(name) {}
  function_base(const function_base&) = delete;
  function_base& operator=(const function_base&) = delete;

  [[nodiscard]] const char* name() const noexcept { return name_; }
  void set_address(void* found) const noexcept { address_.store(found, std::memory_order_relaxed); }

 protected:
  const char* name_;
  mutable std::atomic<void*> address_{nullptr};
};

/// Looks all of them up that the C library has, for calls from where that would not be allowed: signal handlers, and
/// the child of a fork. By the hooks, when the program starts.
CSP_API void look_up_all() noexcept;

template <class Signature>
class function;

template <class Result, class... Parameters>
class function<Result(Parameters...)> : public function_base {
 public:
  using function_base::function_base;

  Result operator()(Parameters... arguments) const {
    void* found = address_.load(std::memory_order_relaxed);
    if (found == nullptr) [[unlikely]] {
      found = look_up(name_);
      set_address(found);
    }
    return reinterpret_cast<Result (*)(Parameters...)>(found)(arguments...);
  }
};

extern CSP_API const function<ssize_t(int, void*, std::size_t)> read;
extern CSP_API const function<ssize_t(int, const iovec*, int)> readv;
extern CSP_API const function<ssize_t(int, void*, std::size_t, off_t)> pread;
extern CSP_API const function<ssize_t(int, const iovec*, int, off_t, int)> preadv2;
extern CSP_API const function<ssize_t(int, const void*, std::size_t)> write;
extern CSP_API const function<ssize_t(int, const iovec*, int)> writev;
extern CSP_API const function<ssize_t(int, const void*, std::size_t, off_t)> pwrite;
extern CSP_API const function<ssize_t(int, const iovec*, int, off_t, int)> pwritev2;
extern CSP_API const function<ssize_t(int, void*, std::size_t, int)> recv;
extern CSP_API const function<ssize_t(int, void*, std::size_t, int, sockaddr*, socklen_t*)> recvfrom;
extern CSP_API const function<ssize_t(int, msghdr*, int)> recvmsg;
extern CSP_API const function<int(int, mmsghdr*, unsigned, int, timespec*)> recvmmsg;
extern CSP_API const function<ssize_t(int, const void*, std::size_t, int)> send;
extern CSP_API const function<ssize_t(int, const void*, std::size_t, int, const sockaddr*, socklen_t)> sendto;
extern CSP_API const function<ssize_t(int, const msghdr*, int)> sendmsg;
extern CSP_API const function<int(int, mmsghdr*, unsigned, int)> sendmmsg;
extern CSP_API const function<ssize_t(int, int, off_t*, std::size_t)> sendfile;
extern CSP_API const function<int(int, sockaddr*, socklen_t*)> accept;
extern CSP_API const function<int(int, sockaddr*, socklen_t*, int)> accept4;
extern CSP_API const function<int(int, const sockaddr*, socklen_t)> connect;
extern CSP_API const function<int(int, int, int)> socket;
extern CSP_API const function<int(int, int, int, int*)> socketpair;
extern CSP_API const function<int(int*)> pipe;
extern CSP_API const function<int(int*, int)> pipe2;
extern CSP_API const function<int(unsigned, int)> eventfd;
extern CSP_API const function<int(int, int)> timerfd_create;
extern CSP_API const function<int(int, const sigset_t*, int)> signalfd;
extern CSP_API const function<int(pid_t, unsigned)> pidfd_open;
extern CSP_API const function<int(const char*, unsigned)> memfd_create;
extern CSP_API const function<int(int)> epoll_create;
extern CSP_API const function<int(int)> epoll_create1;
extern CSP_API const function<int()> inotify_init;
extern CSP_API const function<int(int)> inotify_init1;
extern CSP_API const function<int(const char*, int, mode_t)> open;
extern CSP_API const function<int(int, const char*, int, mode_t)> openat;
extern CSP_API const function<int(const char*, mode_t)> creat;
extern CSP_API const function<int(int)> close;
extern CSP_API const function<int(unsigned, unsigned, int)> close_range;
extern CSP_API const function<void(int)> closefrom;
extern CSP_API const function<int(FILE*)> fclose;
extern CSP_API const function<int(FILE*)> pclose;
extern CSP_API const function<FILE*(const char*, const char*)> popen;
extern CSP_API const function<int(const char*)> system;
extern CSP_API const function<int(pid_t*, const char*, const posix_spawn_file_actions_t*, const posix_spawnattr_t*,
                                  char* const*, char* const*)>
    posix_spawn;
extern CSP_API const function<int(pid_t*, const char*, const posix_spawn_file_actions_t*, const posix_spawnattr_t*,
                                  char* const*, char* const*)>
    posix_spawnp;
extern CSP_API const function<FILE*(const char*, const char*, FILE*)> freopen;
extern CSP_API const function<int(int, int)> shutdown;
extern CSP_API const function<int(int)> dup;
extern CSP_API const function<int(int, int)> dup2;
extern CSP_API const function<int(int, int, int)> dup3;
extern CSP_API const function<int(int, int, void*)> fcntl;
extern CSP_API const function<int(int, unsigned long, void*)> ioctl;
extern CSP_API const function<int(int, int, int, const void*, socklen_t)> setsockopt;
extern CSP_API const function<int(int, int, int, void*, socklen_t*)> getsockopt;
extern CSP_API const function<int(pollfd*, nfds_t, int)> poll;
extern CSP_API const function<int(pollfd*, nfds_t, const timespec*, const sigset_t*)> ppoll;
extern CSP_API const function<int(int, fd_set*, fd_set*, fd_set*, timeval*)> select;
extern CSP_API const function<int(int, fd_set*, fd_set*, fd_set*, const timespec*, const sigset_t*)> pselect;
extern CSP_API const function<int(int, int, int, epoll_event*)> epoll_ctl;
extern CSP_API const function<int(int, epoll_event*, int, int)> epoll_wait;
extern CSP_API const function<int(int, epoll_event*, int, int, const sigset_t*)> epoll_pwait;
extern CSP_API const function<int(int, epoll_event*, int, const timespec*, const sigset_t*)> epoll_pwait2;
extern CSP_API const function<unsigned(unsigned)> sleep;
extern CSP_API const function<int(useconds_t)> usleep;
extern CSP_API const function<int(const timespec*, timespec*)> nanosleep;
extern CSP_API const function<int(clockid_t, int, const timespec*, timespec*)> clock_nanosleep;
extern CSP_API const function<int(const char*, const char*, const addrinfo*, addrinfo**)> getaddrinfo;
extern CSP_API const function<int(const sockaddr*, socklen_t, char*, socklen_t, char*, socklen_t, int)> getnameinfo;
extern CSP_API const function<pid_t(pid_t, int*, int)> waitpid;
extern CSP_API const function<pid_t(pid_t, int*, int, rusage*)> wait4;
extern CSP_API const function<int(idtype_t, id_t, siginfo_t*, int)> waitid;
extern CSP_API const function<int(int, int)> flock;
extern CSP_API const function<int(int)> fsync;
extern CSP_API const function<int(int)> fdatasync;
extern CSP_API const function<hostent*(const char*)> gethostbyname;
extern CSP_API const function<hostent*(const char*, int)> gethostbyname2;
extern CSP_API const function<hostent*(const void*, socklen_t, int)> gethostbyaddr;
extern CSP_API const function<int(const char*, hostent*, char*, std::size_t, hostent**, int*)> gethostbyname_r;
extern CSP_API const function<int(const char*, int, hostent*, char*, std::size_t, hostent**, int*)> gethostbyname2_r;
extern CSP_API const function<int(const void*, socklen_t, int, hostent*, char*, std::size_t, hostent**, int*)>
    gethostbyaddr_r;
extern CSP_API const function<long(long, long, long, long, long, long, long)> syscall;
extern CSP_API const function<int(pthread_t, void**)> pthread_join;

}  // namespace csp::inline v0::detail::real
