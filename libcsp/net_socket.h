// What all sockets of csp::net have in common; include <libcsp/net.h>.
#pragma once

#include <libcsp/net_address.h>

#include "netio/shared_fd.h"
#include "sched/base/clock.h"
#include "sched/deadline.h"

#include <chrono>
#include <system_error>

namespace csp::inline v0::net {

/// Which half of a connection.
enum class direction { read, write, both };

/// A socket. Move-only; the destructor closes it. Operations, deadlines and close() may be called by any number of
/// tasks and plain threads at once; a move or the destructor only when nobody else uses the object (operations that
/// wait already may go on through a move). Default-constructed or moved from: closed.
///
/// Deadlines are points of time, as in Go: once one has passed, each operation in its direction ends with
/// std::errc::timed_out, also one that waits already, until another is set.
class CSP_API socket {
 public:
  socket() noexcept = default;
  socket(socket&&) noexcept = default;
  socket& operator=(socket&&) noexcept = default;

  /// False after close(), release() or a move.
  [[nodiscard]] bool is_open() const noexcept { return fd_ && !fd_->is_closed(); }
  [[nodiscard]] explicit operator bool() const noexcept { return is_open(); }

  /// Closes the socket: operations that wait in it end with std::errc::bad_file_descriptor, and so do all later ones.
  /// Does not block (but see SO_LINGER in socket(7)).
  void close() noexcept {
    if (fd_) static_cast<void>(fd_->close());
  }
  /// Gives the file descriptor, which is non-blocking, to the caller; the socket is closed. Its operations end as for
  /// close(); let them, before the number is used. -1 when it was closed.
  [[nodiscard]] int release() noexcept { return fd_ ? fd_->release() : -1; }
  /// The file descriptor, still owned by the socket; -1 when closed.
  [[nodiscard]] int native_handle() const noexcept { return fd_ ? fd_->number() : -1; }

  /// The address that it is bound to; none when closed.
  [[nodiscard]] address local() const;

  /// Deadlines (steady clock; or from now on; duration::max() is none).
  void set_deadline(std::chrono::steady_clock::time_point when) noexcept {
    set(direction::both, detail::to_nanos(when));
  }
  void set_read_deadline(std::chrono::steady_clock::time_point when) noexcept {
    set(direction::read, detail::to_nanos(when));
  }
  void set_write_deadline(std::chrono::steady_clock::time_point when) noexcept {
    set(direction::write, detail::to_nanos(when));
  }
  template <class Rep, class Period>
  void set_deadline(std::chrono::duration<Rep, Period> limit) noexcept {
    set(direction::both, from_now(limit));
  }
  template <class Rep, class Period>
  void set_read_deadline(std::chrono::duration<Rep, Period> limit) noexcept {
    set(direction::read, from_now(limit));
  }
  template <class Rep, class Period>
  void set_write_deadline(std::chrono::duration<Rep, Period> limit) noexcept {
    set(direction::write, from_now(limit));
  }
  void clear_deadline() noexcept { set(direction::both, detail::never); }

  /// setsockopt(2) with an int.
  std::error_code set_option(int level, int name, int value) noexcept;
  /// getsockopt(2) of an int.
  [[nodiscard]] result<int> option(int level, int name) const noexcept;

 protected:
  explicit socket(detail::shared_fd_owner owned) noexcept : fd_(std::move(owned)) {}
  ~socket() = default;

  /// The descriptor; null, when there never was one.
  [[nodiscard]] detail::shared_fd* shared() const noexcept { return fd_.get(); }
  [[nodiscard]] address peer_address() const;

 private:
  template <class Rep, class Period>
  static detail::nanos from_now(std::chrono::duration<Rep, Period> limit) noexcept {
    return detail::limit_after(limit);
  }
  void set(direction way, detail::nanos when) noexcept;

  detail::shared_fd_owner fd_;
};

}  // namespace csp::inline v0::net
