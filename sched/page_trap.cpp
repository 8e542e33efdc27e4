#include "sched/page_trap.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "sched/base/fatal.h"
#include "sched/base/futex.h"
#include "sched/stack_class.h"

namespace csp::inline v0::detail {
namespace {

// What covering a range must offer.
constexpr std::uint64_t needed_calls =
    std::uint64_t{1} << _UFFDIO_COPY | std::uint64_t{1} << _UFFDIO_ZEROPAGE | std::uint64_t{1} << _UFFDIO_WRITEPROTECT;

std::uint64_t address_of(const std::byte* place) noexcept { return reinterpret_cast<std::uintptr_t>(place); }

int open_traps() noexcept {
  const int saved_errno = errno;
  auto fd = static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY));
  uffdio_api wanted = {};
  wanted.api = UFFD_API;
  wanted.features = UFFD_FEATURE_SIGBUS | UFFD_FEATURE_PAGEFAULT_FLAG_WP;
  if (fd >= 0 && ::ioctl(fd, UFFDIO_API, &wanted) != 0) {
    ::close(fd);
    fd = -1;
  }
  errno = saved_errno;
  return fd;
}

bool change_protection(int fd, std::byte* begin, std::size_t bytes, std::uint64_t mode) noexcept {
  uffdio_writeprotect request = {};
  request.range = {address_of(begin), bytes};
  request.mode = mode;
  // EAGAIN: the mappings of the process are just being changed.
  while (::ioctl(fd, UFFDIO_WRITEPROTECT, &request) != 0) {
    if (errno != EAGAIN && errno != EINTR) return false;
    yield_thread();
  }
  return true;
}

}  // namespace

page_trap::page_trap() noexcept : fd_(open_traps()) {}

page_trap& page_trap::instance() noexcept {
  static page_trap only;
  return only;
}

bool page_trap::available() noexcept { return fd_ >= 0; }

bool page_trap::cover(std::byte* begin, std::size_t bytes) noexcept {
  const int saved_errno = errno;
  uffdio_register request = {};
  request.range = {address_of(begin), bytes};
  request.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP;
  const bool covered = ::ioctl(fd_, UFFDIO_REGISTER, &request) == 0 && (request.ioctls & needed_calls) == needed_calls;
  errno = saved_errno;
  return covered;
}

void page_trap::fill(std::byte* where, const std::byte* page) noexcept {
  const int saved_errno = errno;
  for (;;) {
    uffdio_copy request = {};
    request.dst = address_of(where);
    request.src = address_of(page);
    request.len = memory_page_size();
    if (::ioctl(fd_, UFFDIO_COPY, &request) == 0 || errno == EEXIST) break;
    require(errno == EAGAIN || errno == EINTR, "the kernel has no memory for the stack of a task that wakes");
    yield_thread();
  }
  errno = saved_errno;
}

void page_trap::fill_with_zeros(std::byte* begin, std::size_t bytes) noexcept {
  const int saved_errno = errno;
  while (bytes != 0) {
    uffdio_zeropage request = {};
    request.range = {address_of(begin), bytes};
    std::size_t done = bytes;
    if (::ioctl(fd_, UFFDIO_ZEROPAGE, &request) != 0) {
      const bool present = errno == EEXIST;
      require(present || errno == EAGAIN || errno == EINTR, "the kernel has no memory for page tables of a stack");
      // The call says how far it came; a page that is there stops it.
      done = request.zeropage > 0 ? static_cast<std::size_t>(request.zeropage) : present ? memory_page_size() : 0;
      if (done == 0) yield_thread();
    }
    begin += done;
    bytes -= done;
  }
  errno = saved_errno;
}

bool page_trap::protect(std::byte* begin, std::size_t bytes) noexcept {
  const int saved_errno = errno;
  const bool done = change_protection(fd_, begin, bytes, UFFDIO_WRITEPROTECT_MODE_WP);
  errno = saved_errno;
  return done;
}

void page_trap::unprotect(std::byte* begin, std::size_t bytes) noexcept {
  const int saved_errno = errno;
  static_cast<void>(change_protection(fd_, begin, bytes, 0));
  errno = saved_errno;
}

}  // namespace csp::inline v0::detail
