#include "sched/stack_guard.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "sched/base/atomic.h"
#include "sched/stack_class.h"

namespace csp::inline v0::detail {
namespace {

constexpr int madv_guard_install = 102;  // in Linux since 6.13, not in glibc 2.36's headers
constexpr int madv_populate_read = 22;   // in Linux since 5.14: fails with EFAULT where a read would fault

constexpr int no_forced_kind = -1;
atomic<int> forced_kind{no_forced_kind};

constexpr long budget_unread = -1;
atomic<long> protection_budget{budget_unread};

// How many guards mprotect may make. Each cuts a mapping into three, which adds two; we use at most half of the
// process's mappings and leave the rest to malloc, threads and shared libraries.
long read_protection_budget() noexcept {
  long most_mappings = 65530;  // the kernel's default
  char text[32] = {};
  const int fd = ::open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    if (::read(fd, text, sizeof text - 1) > 0) {
      const long read_value = std::strtol(text, nullptr, 10);
      if (read_value > 0) most_mappings = read_value;
    }
    ::close(fd);
  }
  return most_mappings / 2 / 2;
}

// relaxed throughout: a count that guards no other memory.
bool take_protection_budget() noexcept {
  long left = protection_budget.load(std::memory_order_relaxed);
  if (left == budget_unread) {
    const long fresh = read_protection_budget();
    if (protection_budget.compare_exchange_strong(left, fresh, std::memory_order_relaxed)) left = fresh;
  }
  while (left > 0) {
    if (protection_budget.compare_exchange_weak(left, left - 1, std::memory_order_relaxed)) return true;
  }
  return false;
}

// Emulators of other machines (qemu-user) say yes to any advice and do nothing. So the first marker is tried out.
bool marker_faults(std::byte* page) noexcept {
  return ::madvise(page, memory_page_size(), madv_populate_read) != 0 && errno == EFAULT;
}

bool install_marker(std::byte* page) noexcept {
  int result = 0;
  do {
    result = ::madvise(page, memory_page_size(), madv_guard_install);
  } while (result != 0 && errno == EINTR);
  if (result != 0) return false;
  static const bool markers_fault = marker_faults(page);
  return markers_fault;
}

bool install_protection(std::byte* page) noexcept {
  if (!take_protection_budget()) return false;
  if (::mprotect(page, memory_page_size(), PROT_NONE) == 0) return true;
  protection_budget.fetch_add(1, std::memory_order_relaxed);
  return false;
}

}  // namespace

stack_guard_kind install_stack_guard(std::byte* page) noexcept {
  const int saved_errno = errno;
  const int forced = forced_kind.load(std::memory_order_relaxed);  // set by tests between carves
  const auto allowed = [forced](stack_guard_kind kind) {
    return forced == no_forced_kind || forced == static_cast<int>(kind);
  };
  auto kind = stack_guard_kind::canary;
  if (allowed(stack_guard_kind::marker) && install_marker(page)) {
    kind = stack_guard_kind::marker;
  } else if (allowed(stack_guard_kind::protection) && install_protection(page)) {
    kind = stack_guard_kind::protection;
  }
  errno = saved_errno;
  return kind;
}

bool stack_canary_intact(const std::byte* page) noexcept {
  // Equal to itself one byte further, and the first byte is zero: then all are. memcmp() knows the widest loads.
  return page[0] == std::byte{0} && std::memcmp(page, page + 1, memory_page_size() - 1) == 0;
}

void return_stack_protection() noexcept { protection_budget.fetch_add(1, std::memory_order_relaxed); }

void force_stack_guard_kind(std::optional<stack_guard_kind> kind) noexcept {
  forced_kind.store(kind ? static_cast<int>(*kind) : no_forced_kind, std::memory_order_relaxed);
}

void set_stack_protection_budget(long guards) noexcept { protection_budget.store(guards, std::memory_order_relaxed); }

}  // namespace csp::inline v0::detail
