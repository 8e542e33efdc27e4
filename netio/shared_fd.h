// A file descriptor that one party owns and many tasks and threads use at once; what csp::net's sockets are made of.
//
// One word counts the operations that are under way and tells whether it was closed. close() sets the bit and wakes who
// waits; the number goes back to the kernel when the last operation has left. So a number is never used again under an
// operation, from whatever task or thread it was closed.
//
// The owner holds it by a shared_fd_owner, which is moved but not used by several at once; all else is for any task or
// thread while the owner lives. Operations that are under way may outlive the owner.
#pragma once

#include "netio/io.h"
#include "netio/outcome.h"
#include "sched/base/relaxed.h"

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <utility>

namespace csp::inline v0::detail {

class shared_fd;

/// The one owner of a shared_fd.
class CSP_API shared_fd_owner {
 public:
  shared_fd_owner() noexcept = default;
  explicit shared_fd_owner(shared_fd* owned) noexcept : target_(owned) {}
  shared_fd_owner(shared_fd_owner&& other) noexcept : target_(std::exchange(other.target_, nullptr)) {}
  shared_fd_owner& operator=(shared_fd_owner&& other) noexcept {
    if (this != &other) {
      reset();
      target_ = std::exchange(other.target_, nullptr);
    }
    return *this;
  }
  ~shared_fd_owner() { reset(); }

  [[nodiscard]] shared_fd* get() const noexcept { return target_; }
  [[nodiscard]] shared_fd* operator->() const noexcept { return target_; }
  [[nodiscard]] explicit operator bool() const noexcept { return target_ != nullptr; }

 private:
  void reset() noexcept;

  shared_fd* target_ = nullptr;
};

class CSP_API shared_fd {
 public:
  /// Takes over `fd`, which is non-blocking and has just come from the kernel. Throws std::bad_alloc; closes it then.
  [[nodiscard]] static shared_fd_owner adopt(int fd);

  /// The number; -1 after close().
  [[nodiscard]] int number() const noexcept { return is_closed() ? -1 : fd_; }
  [[nodiscard]] bool is_closed() const noexcept { return (word_.load(std::memory_order_acquire) & closed_bit) != 0; }

  /// Closes it: operations that wait end with EBADF, new ones begin with it. True for the first call.
  bool close() noexcept { return shut(0) >= 0; }
  /// The same, but the number stays open and is the caller's: its return, or -1 when it was closed.
  int release() noexcept { return shut(released_bit); }
  /// The owner goes: close(), and the memory is freed when no operation is under way.
  void drop() noexcept;

  /// When operations in this direction end with ETIMEDOUT (steady clock); also those that wait already.
  void set_deadline(io_direction way, nanos deadline) noexcept;
  [[nodiscard]] nanos deadline(io_direction way) const noexcept {
    // [SH6] acquire: pairs with [SH5].
    return deadlines_[index(way)].load(std::memory_order_acquire);
  }

  /// Calls `attempt(fd)`, which gives the outcome of a system call that does not block, until it says something else
  /// than EAGAIN or EINTR. Its last outcome; or EBADF when it was closed, or ETIMEDOUT at the deadline. Throws
  /// canceled, and std::bad_alloc at a plain thread's first wait. `asked` as for io_retry.
  template <class Attempt>
  ssize_t retry(io_direction way, std::size_t asked, Attempt attempt);

  /// Calls `use(fd)`, a system call that does not block, once; its outcome, or EBADF.
  template <class Use>
  int with_number(Use use) {
    const visit here(*this);
    if (!here) {
      return -EBADF;
    }
    return outcome_of(use(fd_));
  }

  /// Sleeps until `when`. The outcome is 0; or EBADF or ETIMEDOUT, when close() or the deadline of `way` came first.
  /// Throws canceled.
  [[nodiscard]] int pause(io_direction way, nanos when);

 private:
  /// One operation that is under way.
  class visit {
   public:
    explicit visit(shared_fd& target) noexcept : target_(target), inside_(target.enter()) {}
    ~visit() {
      if (inside_) target_.leave();
    }
    visit(const visit&) = delete;
    visit& operator=(const visit&) = delete;
    [[nodiscard]] explicit operator bool() const noexcept { return inside_; }

   private:
    shared_fd& target_;
    const bool inside_;
  };

  /// A plain thread that waits in poll(2).
  struct bell {
    int fd = -1;
    bell* next = nullptr;
  };

  explicit shared_fd(int fd) noexcept : fd_(fd) {}
  ~shared_fd() = default;

  static constexpr std::size_t index(io_direction way) noexcept { return way == io_direction::read ? 0 : 1; }

  /// False when it was closed.
  [[nodiscard]] bool enter() noexcept {
    std::uint64_t seen = word_.load(std::memory_order_relaxed);
    do {
      if ((seen & closed_bit) != 0) [[unlikely]] {
        return false;
      }
      // [SH1] acquire: pairs with [SH2]; deadlines that were set before are seen.
    } while (!word_.compare_exchange_weak(seen, seen + 1, std::memory_order_acquire, std::memory_order_relaxed));
    return true;
  }
  void leave() noexcept {
    // [SH3] acq_rel: the last one to leave sees what all others did.
    const std::uint64_t before = word_.fetch_sub(1, std::memory_order_acq_rel);
    if ((before & closed_bit) != 0) [[unlikely]] {
      leave_closed(before);
    }
  }
  void leave_closed(std::uint64_t before) noexcept;
  int shut(std::uint64_t how) noexcept;

  // Outcomes of 0, or of -error:

  /// ETIMEDOUT: the deadline has passed already.
  [[nodiscard]] int check_time(io_direction way) const noexcept {
    return deadline(way) == never ? 0 : check_limit(way);
  }
  [[nodiscard]] int check_limit(io_direction way) const noexcept;
  /// After an attempt that said EAGAIN; 0: another one is worth it. Throws canceled.
  [[nodiscard]] CSP_ALWAYS_INLINE int wait(io_operation& operation, io_direction way, io_options& options) {
    in_a_row_.set(0);
    if (!operation.is_watched()) [[unlikely]] {
      return wait_unwatched(operation, way, options);
    }
    // [SH7] acquire: pairs with [SH2]. Who closes it after this look wakes us, for the edges were noted before.
    if ((word_.load(std::memory_order_acquire) & closed_bit) != 0) [[unlikely]] {
      return -EBADF;
    }
    options.deadline = deadline(way);
    const io_wait outcome = operation.wait_for_edge();
    __builtin_prefetch(this);  // needed after the system call that comes next
    return outcome == io_wait::ready ? 0 : judge(outcome, way);
  }
  /// The same the first time: registers it, or finds that there is no poller for it.
  [[nodiscard]] int wait_unwatched(io_operation& operation, io_direction way, io_options& options);
  /// The same in poll(2). `events`: what to wait for, or 0 to sleep until `limit`.
  [[nodiscard]] int wait_in_thread(io_direction way, short events, nanos limit);
  /// After prepare(): EBADF when it has been closed; else a close() will find us waiting.
  [[nodiscard]] int check_open() noexcept;
  [[nodiscard]] int judge(io_wait outcome, io_direction way) const;

  void ring() noexcept;
  /// Where data is always there, lets others have their turn now and then. Throws canceled.
  void take_turn() {
    const std::uint32_t count = in_a_row_.get() + 1;
    in_a_row_.set(count);
    if (count > most_in_a_row) [[unlikely]] {
      give_turn();
    }
  }
  void give_turn();
  /// True on TCP. A local stream's read ends early where descriptors were sent along, whether we take them or not, so
  /// there a short count proves nothing.
  [[nodiscard]] bool short_means_drained() noexcept {
    const transport known = transport_.get();
    return (known == transport::unknown ? find_transport() : known) == transport::tcp;
  }

  enum class transport : std::uint8_t { unknown, tcp, other };
  transport find_transport() noexcept;

  static constexpr std::uint64_t closed_bit = std::uint64_t{1} << 63;
  static constexpr std::uint64_t released_bit = std::uint64_t{1} << 62;
  static constexpr std::uint64_t owned_bit = std::uint64_t{1} << 61;  // the owner has not dropped it
  static constexpr std::uint64_t ended_bit = std::uint64_t{1} << 60;  // the last operation has left
  static constexpr std::uint64_t count_mask = 0xffff'ffff;

  /// Operations in a row without a wait after which a task yields: some 100 microseconds of small ones, so that others
  /// are not held up, and so many that the yield costs nothing beside them.
  static constexpr std::uint32_t most_in_a_row = 64;

  // All that an operation needs lies in one cache line.
  alignas(cache_line) std::atomic<std::uint64_t> word_{owned_bit};  // operations under way, and the bits
  const int fd_;
  relaxed<std::uint32_t> in_a_row_;
  relaxed<transport> transport_;
  std::atomic<nanos> deadlines_[2]{never, never};
  std::mutex bells_lock_;
  bell* bells_ = nullptr;  // guarded by bells_lock_
};

template <class Attempt>
ssize_t shared_fd::retry(io_direction way, std::size_t asked, Attempt attempt) {
  cancellation_point();
  const visit here(*this);
  if (!here) [[unlikely]] {
    return -EBADF;
  }
  if (const int error = check_time(way)) [[unlikely]] {
    return error;
  }
  take_turn();
  io_options options;
  io_operation operation(fd_, way, options);
  for (;;) {
    if (operation.begin_try()) {
      const ssize_t outcome = attempt(fd_);
      if (outcome >= 0) [[likely]] {
        operation.end_try(outcome > 0 && static_cast<std::size_t>(outcome) < asked && short_means_drained());
        return outcome;
      }
      if (outcome == -EINTR) {
        continue;
      }
      if (outcome != -EAGAIN) {
        operation.end_try(false);
        return outcome;
      }
    }
    if (const int error = wait(operation, way, options)) {
      return error;
    }
  }
}

}  // namespace csp::inline v0::detail
