// What the hooks know of file descriptor numbers, and when a hook may act at all.
//
// A number that a hooked call has returned is *known* until a hooked call closes it: what was found out about it is
// kept. Of any other number (inherited, made by a system call behind our back) nothing is kept: each wait looks afresh.
// Time limits and O_NONBLOCK belong to the open file, which may have several numbers, so a call that changes one makes
// all numbers forget theirs, by raising an epoch. Another process can change O_NONBLOCK as well, if it has the file: so
// that is kept only of sockets that no other process can have, made since the last time that one was started, or that
// descriptors were sent over a socket.
#pragma once

#include "netio/fd_table.h"
#include "netio/io.h"
#include "netio/readiness.h"
#include "sched/base/clock.h"
#include "sched/base/relaxed.h"
#include "sched/base/tls.h"
#include "sched/processor.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace csp::inline v0::detail::hook {

/// `tcp`: apart from other streams, since there a short read proves that nothing is left.
enum class fd_kind : std::uint8_t { unknown, tcp, stream, message, pipe, file, eventfd, other };

/// Set in a child of fork.
extern std::atomic<bool> forked;
/// Set by the first vfork.
extern std::atomic<bool> vforked;

/// True when the calling code runs in a task, in the process and address space that started it: not on a plain thread,
/// not in a child of fork. Else a hook makes the real call.
[[nodiscard]] CSP_ALWAYS_INLINE bool in_task() noexcept {
  const processor* const here = this_processor();
  return here != nullptr && here->current() != nullptr && !forked.load(std::memory_order_relaxed);
}

/// False in a child of vfork, which runs in its parent's memory and must not change its tables, nor park its tasks.
[[nodiscard]] bool ask_for_own_process() noexcept;
[[nodiscard]] inline bool in_own_process() noexcept {
  return !vforked.load(std::memory_order_relaxed) || ask_for_own_process();
}

/// How often descriptors may have come into the hands of another process. Never 0.
[[nodiscard]] std::uint32_t sharings() noexcept;
/// They may have, or are about to.
void note_sharing() noexcept;
/// True when a message with so much control data, sent here, may take descriptors along (SCM_RIGHTS).
[[nodiscard]] bool may_carry_descriptors(int fd, std::size_t control_length) noexcept;

/// The number has just come from the kernel, for something new. `sharings_before`: of a socket, what sharings() was
/// before the system call that has made it; 0 for what other processes may have.
void adopt(int fd, fd_kind kind = fd_kind::unknown, std::uint32_t sharings_before = 0) noexcept;
/// The number is about to be closed, or to be made stand for something else.
void release(int fd) noexcept;
/// The same for all numbers from `first` to `last`.
void release_range(unsigned first, unsigned last) noexcept;
/// Somebody has set a time limit on some socket.
void forget_limits() noexcept;
/// Somebody has set O_NONBLOCK on something, or cleared it.
void forget_flags() noexcept;

/// What is known of a number. Two of them share a cache line.
struct alignas(cache_line / 2) fd_info {
  relaxed<bool> known;
  relaxed<fd_kind> kind;
  relaxed<std::uint32_t> sharings;       // when it was made; 0: other processes may have it
  relaxed<std::uint32_t> flags;          // their epoch, and in the lowest bit O_NONBLOCK; 0: never found out
  relaxed<std::uint32_t> epoch;          // of the limits; 0: never found out
  std::array<relaxed<nanos>, 2> limits;  // by direction
};
static_assert(sizeof(fd_info) == cache_line / 2);
extern fd_table<fd_info> numbers;

[[nodiscard]] CSP_ALWAYS_INLINE fd_info* known_info(int fd) noexcept {
  fd_info* const info = numbers.find(fd);
  return info != nullptr && info->known.get() ? info : nullptr;
}

/// What a number stands for. `unknown` for a bad one.
[[nodiscard]] fd_kind kind_of(int fd) noexcept;
/// True when a hooked call has made it.
[[nodiscard]] inline bool is_known(int fd) noexcept { return known_info(fd) != nullptr; }
/// The kind of a number that a hooked call has made; `unknown` for others.
[[nodiscard]] inline fd_kind known_kind(int fd) noexcept {
  const fd_info* const info = known_info(fd);
  const fd_kind kind = info != nullptr ? info->kind.get() : fd_kind::unknown;
  return kind != fd_kind::unknown || info == nullptr ? kind : kind_of(fd);
}
/// True for the number of a stream socket that a hooked call has made: read and write are recv and send there.
[[nodiscard]] inline bool is_known_stream(int fd) noexcept {
  const fd_kind kind = known_kind(fd);
  return kind == fd_kind::tcp || kind == fd_kind::stream;
}
/// True when the user has set O_NONBLOCK on it; false too when the number is bad.
[[nodiscard]] bool is_nonblocking(int fd) noexcept;
/// SO_RCVTIMEO or SO_SNDTIMEO as a length; `never` for none and for what is no socket.
[[nodiscard]] nanos time_limit(int fd, io_direction way) noexcept;

/// Held around a call that must not block and has no flag to say so: poll(2) and the call that it promises to be short.
/// Tasks and threads of this program that use the same number take turns. Not held over a park, nor two at once.
[[nodiscard]] std::mutex& turn(int fd) noexcept;

/// Keeps errno as the caller had it unless told otherwise: success never writes it.
class errno_guard {
 public:
  errno_guard() noexcept = default;
  ~errno_guard() { errno = value_; }
  errno_guard(const errno_guard&) = delete;
  errno_guard& operator=(const errno_guard&) = delete;
  /// The result of an emulated call: -1 keeps the errno of now.
  template <class Result>
  Result operator()(Result result) noexcept {
    if (result < 0) {
      value_ = errno;
    }
    return result;
  }
  /// Fails with this error.
  int fail(int error) noexcept {
    value_ = error;
    return -1;
  }

 private:
  int value_ = errno;
};

}  // namespace csp::inline v0::detail::hook
