#include "netio/real.h"

#include "sched/base/fatal.h"

#include <dlfcn.h>

namespace csp::inline v0::detail::real {

module module_of(const void* address) noexcept {
  Dl_info info{};
  if (address == nullptr || dladdr(address, &info) == 0) {
    return {};
  }
  return {info.dli_fbase, info.dli_fname != nullptr ? info.dli_fname : "?"};
}

module module_in_force(const char* name) noexcept {
  const module found = module_of(dlsym(RTLD_DEFAULT, name));
  // Twice: the first call hands out the text of an error, the second frees it. Else the thread's next dlsym() would,
  // perhaps for another task.
  static_cast<void>(dlerror());
  static_cast<void>(dlerror());
  return found;
}

namespace {

[[nodiscard]] void* find_in_library(const char* name) noexcept {
  void* const library = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
  return library != nullptr ? dlsym(library, name) : nullptr;
}

[[nodiscard]] void* find(const char* name) noexcept {
  // The next definition after ours: an interceptor of a sanitizer, or the C library's. A shared libcsp may come before
  // the hooks in the search order; then the next one would be the hook, and the C library is asked itself.
  void* found = dlsym(RTLD_NEXT, name);
  const void* const hooks = module_in_force("csp_hook_anchor").base;
  if (found == nullptr || (hooks != nullptr && module_of(found).base == hooks)) {
    found = find_in_library(name);
  }
  return found;
}

}  // namespace

module module_of_library() noexcept { return module_of(find_in_library("gnu_get_libc_version")); }

void* look_up(const char* name) noexcept {
  void* const found = find(name);
  if (found == nullptr) {
    fatal("the C library has no such function, or the program is linked with -static, where libcsp cannot look it up",
          name);
  }
  return found;
}

constinit const function<ssize_t(int, void*, std::size_t)> read("read");
constinit const function<ssize_t(int, const iovec*, int)> readv("readv");
constinit const function<ssize_t(int, void*, std::size_t, off_t)> pread("pread");
constinit const function<ssize_t(int, const iovec*, int, off_t, int)> preadv2("preadv2");
constinit const function<ssize_t(int, const void*, std::size_t)> write("write");
constinit const function<ssize_t(int, const iovec*, int)> writev("writev");
constinit const function<ssize_t(int, const void*, std::size_t, off_t)> pwrite("pwrite");
constinit const function<ssize_t(int, const iovec*, int, off_t, int)> pwritev2("pwritev2");
constinit const function<ssize_t(int, void*, std::size_t, int)> recv("recv");
constinit const function<ssize_t(int, void*, std::size_t, int, sockaddr*, socklen_t*)> recvfrom("recvfrom");
constinit const function<ssize_t(int, msghdr*, int)> recvmsg("recvmsg");
constinit const function<int(int, mmsghdr*, unsigned, int, timespec*)> recvmmsg("recvmmsg");
constinit const function<ssize_t(int, const void*, std::size_t, int)> send("send");
constinit const function<ssize_t(int, const void*, std::size_t, int, const sockaddr*, socklen_t)> sendto("sendto");
constinit const function<ssize_t(int, const msghdr*, int)> sendmsg("sendmsg");
constinit const function<int(int, mmsghdr*, unsigned, int)> sendmmsg("sendmmsg");
constinit const function<ssize_t(int, int, off_t*, std::size_t)> sendfile("sendfile");
constinit const function<int(int, sockaddr*, socklen_t*)> accept("accept");
constinit const function<int(int, sockaddr*, socklen_t*, int)> accept4("accept4");
constinit const function<int(int, const sockaddr*, socklen_t)> connect("connect");
constinit const function<int(int, int, int)> socket("socket");
constinit const function<int(int, int, int, int*)> socketpair("socketpair");
constinit const function<int(int*)> pipe("pipe");
constinit const function<int(int*, int)> pipe2("pipe2");
constinit const function<int(unsigned, int)> eventfd("eventfd");
constinit const function<int(int, int)> timerfd_create("timerfd_create");
constinit const function<int(int, const sigset_t*, int)> signalfd("signalfd");
constinit const function<int(pid_t, unsigned)> pidfd_open("pidfd_open");
constinit const function<int(const char*, unsigned)> memfd_create("memfd_create");
constinit const function<int(int)> epoll_create("epoll_create");
constinit const function<int(int)> epoll_create1("epoll_create1");
constinit const function<int()> inotify_init("inotify_init");
constinit const function<int(int)> inotify_init1("inotify_init1");
constinit const function<int(const char*, int, mode_t)> open("open");
constinit const function<int(int, const char*, int, mode_t)> openat("openat");
constinit const function<int(const char*, mode_t)> creat("creat");
constinit const function<int(int)> close("close");
constinit const function<int(unsigned, unsigned, int)> close_range("close_range");
constinit const function<void(int)> closefrom("closefrom");
constinit const function<int(FILE*)> fclose("fclose");
constinit const function<int(FILE*)> pclose("pclose");
constinit const function<FILE*(const char*, const char*)> popen("popen");
constinit const function<int(const char*)> system("system");
constinit const function<int(pid_t*, const char*, const posix_spawn_file_actions_t*, const posix_spawnattr_t*,
                             char* const*, char* const*)>
    posix_spawn("posix_spawn");
constinit const function<int(pid_t*, const char*, const posix_spawn_file_actions_t*, const posix_spawnattr_t*,
                             char* const*, char* const*)>
    posix_spawnp("posix_spawnp");
constinit const function<FILE*(const char*, const char*, FILE*)> freopen("freopen");
constinit const function<int(int, int)> shutdown("shutdown");
constinit const function<int(int)> dup("dup");
constinit const function<int(int, int)> dup2("dup2");
constinit const function<int(int, int, int)> dup3("dup3");
constinit const function<int(int, int, void*)> fcntl("fcntl");
constinit const function<int(int, unsigned long, void*)> ioctl("ioctl");
constinit const function<int(int, int, int, const void*, socklen_t)> setsockopt("setsockopt");
constinit const function<int(int, int, int, void*, socklen_t*)> getsockopt("getsockopt");
constinit const function<int(pollfd*, nfds_t, int)> poll("poll");
constinit const function<int(pollfd*, nfds_t, const timespec*, const sigset_t*)> ppoll("ppoll");
constinit const function<int(int, fd_set*, fd_set*, fd_set*, timeval*)> select("select");
constinit const function<int(int, fd_set*, fd_set*, fd_set*, const timespec*, const sigset_t*)> pselect("pselect");
constinit const function<int(int, int, int, epoll_event*)> epoll_ctl("epoll_ctl");
constinit const function<int(int, epoll_event*, int, int)> epoll_wait("epoll_wait");
constinit const function<int(int, epoll_event*, int, int, const sigset_t*)> epoll_pwait("epoll_pwait");
constinit const function<int(int, epoll_event*, int, const timespec*, const sigset_t*)> epoll_pwait2("epoll_pwait2");
constinit const function<unsigned(unsigned)> sleep("sleep");
constinit const function<int(useconds_t)> usleep("usleep");
constinit const function<int(const timespec*, timespec*)> nanosleep("nanosleep");
constinit const function<int(clockid_t, int, const timespec*, timespec*)> clock_nanosleep("clock_nanosleep");
constinit const function<int(const char*, const char*, const addrinfo*, addrinfo**)> getaddrinfo("getaddrinfo");
constinit const function<int(const sockaddr*, socklen_t, char*, socklen_t, char*, socklen_t, int)> getnameinfo(
    "getnameinfo");
constinit const function<pid_t(pid_t, int*, int)> waitpid("waitpid");
constinit const function<pid_t(pid_t, int*, int, rusage*)> wait4("wait4");
constinit const function<int(idtype_t, id_t, siginfo_t*, int)> waitid("waitid");
constinit const function<int(int, int)> flock("flock");
constinit const function<int(int)> fsync("fsync");
constinit const function<int(int)> fdatasync("fdatasync");
constinit const function<hostent*(const char*)> gethostbyname("gethostbyname");
constinit const function<hostent*(const char*, int)> gethostbyname2("gethostbyname2");
constinit const function<hostent*(const void*, socklen_t, int)> gethostbyaddr("gethostbyaddr");
constinit const function<int(const char*, hostent*, char*, std::size_t, hostent**, int*)> gethostbyname_r(
    "gethostbyname_r");
constinit const function<int(const char*, int, hostent*, char*, std::size_t, hostent**, int*)> gethostbyname2_r(
    "gethostbyname2_r");
constinit const function<int(const void*, socklen_t, int, hostent*, char*, std::size_t, hostent**, int*)>
    gethostbyaddr_r("gethostbyaddr_r");
constinit const function<long(long, long, long, long, long, long, long)> syscall("syscall");
constinit const function<int(pthread_t, void**)> pthread_join("pthread_join");

namespace {

constexpr const function_base* all[] = {
    &read,           &readv,           &pread,         &preadv2,      &write,
    &writev,         &pwrite,          &pwritev2,      &recv,         &recvfrom,
    &recvmsg,        &recvmmsg,        &send,          &sendto,       &sendmsg,
    &sendmmsg,       &sendfile,        &accept,        &accept4,      &connect,
    &socket,         &socketpair,      &pipe,          &pipe2,        &eventfd,
    &timerfd_create, &signalfd,        &pidfd_open,    &memfd_create, &epoll_create,
    &epoll_create1,  &inotify_init,    &inotify_init1, &open,         &openat,
    &creat,          &close,           &close_range,   &closefrom,    &fclose,
    &pclose,         &freopen,         &shutdown,      &dup,          &dup2,
    &dup3,           &fcntl,           &ioctl,         &setsockopt,   &getsockopt,
    &poll,           &ppoll,           &select,        &pselect,      &epoll_ctl,
    &epoll_wait,     &epoll_pwait,     &epoll_pwait2,  &sleep,        &usleep,
    &nanosleep,      &clock_nanosleep, &getaddrinfo,   &waitpid,      &wait4,
    &waitid,         &flock,           &fsync,         &fdatasync,    &gethostbyname,
    &gethostbyname2, &gethostbyaddr,   &syscall,       &pthread_join, &popen,
    &system,         &posix_spawn,     &posix_spawnp};

}  // namespace

void look_up_all() noexcept {
  for (const function_base* const each : all) {
    if (void* const found = find(each->name())) {
      each->set_address(found);
    }
  }
}

}  // namespace csp::inline v0::detail::real
