// Pages whose touch is trapped: the one place that knows userfaultfd(2).
//
// In a covered range a touch of a page that is missing, and a write to one that is protected, raise SIGBUS in the
// thread that touches. Pages arrive whole: nobody ever sees one half filled. The kernel's own accesses are not trapped,
// a system call that is given such memory fails with EFAULT; in exchange no privilege is needed (UFFD_USER_MODE_ONLY,
// Linux 5.11). A child of fork has no traps: what is missing reads as zero there.
#pragma once

#include <cstddef>

namespace csp::inline v0::detail {

class page_trap {
 public:
  /// The process's one. Any thread.
  [[nodiscard]] static page_trap& instance() noexcept;

  /// True when the kernel grants traps: not in containers that refuse the system call, and not where it cannot protect
  /// pages (before 5.7, and on some machines). Asks at the first call. Any thread.
  [[nodiscard]] bool available() noexcept;

  /// From now on touches of missing pages in the range are trapped. False: the kernel refused. Whole pages, a private
  /// anonymous mapping.
  [[nodiscard]] bool cover(std::byte* begin, std::size_t bytes) noexcept;

  /// Makes a missing page present with the content of `page`; a present one stays as it is. Async-signal-safe. Fatal
  /// when there is no memory.
  void fill(std::byte* where, const std::byte* page) noexcept;
  /// Makes all missing pages of the range present and zero; they take no memory until they are written to.
  /// Async-signal-safe.
  void fill_with_zeros(std::byte* begin, std::size_t bytes) noexcept;

  /// Writes to present pages of the range are trapped from now on. False: refused, nothing has changed for good.
  [[nodiscard]] bool protect(std::byte* begin, std::size_t bytes) noexcept;
  /// And no longer. Async-signal-safe.
  void unprotect(std::byte* begin, std::size_t bytes) noexcept;

 private:
  page_trap() noexcept;

  const int fd_;  // -1: not granted
};

}  // namespace csp::inline v0::detail
