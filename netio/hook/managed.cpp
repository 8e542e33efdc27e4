#include "netio/hook/managed.h"

#include "netio/fd_table.h"
#include "netio/netpoller.h"
#include "netio/real.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <new>

namespace csp::inline v0::detail::hook {
namespace {

constinit std::atomic<std::uint32_t> limits_epoch{1};
constinit std::atomic<std::uint32_t> flags_epoch{2};  // even: the lowest bit is for the flag
constinit std::atomic<std::uint32_t> sharings_count{1};
/// By the number's remainder: those of pipes and terminals, and of sockets that connect, are few.
constinit std::array<std::mutex, 64> turns;
constinit std::atomic<pid_t> own_process{0};

[[nodiscard]] fd_kind look_up_kind(int fd) noexcept {
  struct stat status {};
  const int saved = errno;
  const bool found = ::fstat(fd, &status) == 0;
  errno = saved;
  if (!found) {
    return fd_kind::unknown;
  }
  if (S_ISSOCK(status.st_mode)) {
    int type = 0;
    int protocol = 0;
    socklen_t size = sizeof type;
    static_cast<void>(real::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size));
    static_cast<void>(real::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size));
    return type != SOCK_STREAM ? fd_kind::message : protocol == IPPROTO_TCP ? fd_kind::tcp : fd_kind::stream;
  }
  if (S_ISFIFO(status.st_mode)) {
    return fd_kind::pipe;
  }
  const bool stored = S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) || S_ISBLK(status.st_mode);
  return stored ? fd_kind::file : fd_kind::other;
}

[[nodiscard]] nanos look_up_limit(int fd, io_direction way) noexcept {
  constexpr nanos nanos_per_second = 1'000'000'000;
  constexpr nanos nanos_per_microsecond = 1'000;
  timeval limit{};
  socklen_t size = sizeof limit;
  const int option = way == io_direction::read ? SO_RCVTIMEO : SO_SNDTIMEO;
  if (real::getsockopt(fd, SOL_SOCKET, option, &limit, &size) != 0 || (limit.tv_sec == 0 && limit.tv_usec == 0)) {
    return never;
  }
  nanos length = 0;
  if (__builtin_mul_overflow(nanos{limit.tv_sec}, nanos_per_second, &length)) {
    return never;
  }
  return add_saturating(length, nanos{limit.tv_usec} * nanos_per_microsecond);
}

// Finds out the limits of a known number, unless it has them of this epoch.
void refresh(int fd, fd_info& info) noexcept {
  // acquire: pairs with the release in raise(); a change that was made before is seen by the calls below.
  const std::uint32_t epoch = limits_epoch.load(std::memory_order_acquire);
  if (info.epoch.get() == epoch) {
    return;
  }
  const int saved = errno;
  for (const io_direction way : {io_direction::read, io_direction::write}) {
    info.limits[static_cast<std::size_t>(way)].set(look_up_limit(fd, way));
  }
  info.epoch.set(epoch);
  errno = saved;
}

void note_fork() noexcept { forked.store(true, std::memory_order_relaxed); }

// The next value of an epoch that is never 0. release: pairs with the acquire of its readers; who sees it, and then
// asks the kernel, finds what was changed before.
void raise(std::atomic<std::uint32_t>& epoch, std::uint32_t step) noexcept {
  if (epoch.fetch_add(step, std::memory_order_acq_rel) + step == 0) {
    epoch.fetch_add(step, std::memory_order_acq_rel);
  }
}

// O_NONBLOCK as it is now. EBADF counts as clear.
[[nodiscard]] bool ask_for_nonblocking(int fd) noexcept {
  const int saved = errno;
  const int flags = real::fcntl(fd, F_GETFL, nullptr);
  errno = saved;
  return flags >= 0 && (flags & O_NONBLOCK) != 0;
}

// Before main: which process this is, and how a child of it is told.
[[gnu::constructor]] void note_process() noexcept {
  real::look_up_all();
  own_process.store(::getpid(), std::memory_order_relaxed);
  // Before the fork, for what the child does while we do not run; after it, for what was made between the two.
  ::pthread_atfork(note_sharing, note_sharing, note_fork);
}

}  // namespace

constinit fd_table<fd_info> numbers;
constinit std::atomic<bool> forked{false};
constinit std::atomic<bool> vforked{false};

bool ask_for_own_process() noexcept { return ::getpid() == own_process.load(std::memory_order_relaxed); }

std::uint32_t sharings() noexcept {
  // acquire: pairs with the release in raise().
  return sharings_count.load(std::memory_order_acquire);
}

void note_sharing() noexcept { raise(sharings_count, 1); }

void adopt(int fd, fd_kind kind, std::uint32_t sharings_before) noexcept {
  if (fd < 0 || !in_own_process()) {
    return;
  }
  netpoller::forget(fd);
  try {
    if (fd_info* const info = numbers.get(fd)) {
      info->kind.set(kind);
      info->sharings.set(sharings_before);
      info->flags.set(0);
      info->epoch.set(0);
      info->known.set(true);
    }
  } catch (const std::bad_alloc&) {
    // It stays unknown, which costs time only.
  }
}

void release(int fd) noexcept {
  if (!in_own_process()) {
    return;
  }
  if (fd_info* const info = numbers.find(fd)) {
    info->known.set(false);
  }
  netpoller::forget(fd);
}

void release_range(unsigned first, unsigned last) noexcept {
  const unsigned end = std::min(last, static_cast<unsigned>(fd_table<fd_info>::most_fds) - 1);
  for (unsigned fd = first; fd <= end; ++fd) {
    release(static_cast<int>(fd));
  }
}

void forget_limits() noexcept { raise(limits_epoch, 1); }

void forget_flags() noexcept { raise(flags_epoch, 2); }

fd_kind kind_of(int fd) noexcept {
  fd_info* const info = known_info(fd);
  if (info == nullptr) {
    return look_up_kind(fd);
  }
  if (info->kind.get() == fd_kind::unknown) {
    info->kind.set(look_up_kind(fd));
  }
  return info->kind.get();
}

bool is_nonblocking(int fd) noexcept {
  fd_info* const info = known_info(fd);
  if (info == nullptr || info->sharings.get() != sharings() || vforked.load(std::memory_order_relaxed)) {
    return ask_for_nonblocking(fd);
  }
  // acquire: pairs with the release in raise(). Epoch and flag are one word, for others may find them out meanwhile.
  const std::uint32_t epoch = flags_epoch.load(std::memory_order_acquire);
  std::uint32_t flags = info->flags.get();
  if ((flags & ~1U) != epoch) [[unlikely]] {
    flags = epoch | (ask_for_nonblocking(fd) ? 1U : 0U);
    info->flags.set(flags);
  }
  return (flags & 1U) != 0;
}

nanos time_limit(int fd, io_direction way) noexcept {
  if (fd_info* const info = known_info(fd)) {
    refresh(fd, *info);
    return info->limits[static_cast<std::size_t>(way)].get();
  }
  const int saved = errno;
  const nanos limit = look_up_limit(fd, way);
  errno = saved;
  return limit;
}

std::mutex& turn(int fd) noexcept { return turns[static_cast<unsigned>(fd) % turns.size()]; }

}  // namespace csp::inline v0::detail::hook
