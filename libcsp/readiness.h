// Readiness of file descriptors as arms of a select, for libraries that are driven by callbacks and for calls that this
// library has no form of.
//
//   csp::select(csp::on_readable(fd, [&] { library.process(fd); }),
//               csp::on_recv(requests, [](std::optional<request> r) { ... }),
//               csp::on_timeout(library.next_timeout(), [&] { library.process_timeout(); }));
//
// The arms look at the descriptor's state, not at its changes: data that was left unread makes on_readable ready again
// at once, as with poll(2). Regular files are always ready; read them by csp::blocking.
#pragma once

#include <libcsp/select.h>

#include "netio/fd_watch.h"

#include <optional>
#include <utility>

namespace csp::inline v0 {

namespace detail {

template <class Handler>
struct readiness_arm : arm_base {
  fd_watch watch;
  Handler handler;
  std::optional<io_signal> value{};

  static constexpr bool unsure = true;
  [[nodiscard]] bool confirm() noexcept { return watch.confirm(); }
  void renew() {
    watch.prepare();
    value.reset();
  }
  static constexpr auto way = select_operation::direction::receive;
  [[nodiscard]] select_operation operation() noexcept { return {watch.channel(), &value, way}; }
  void finish(bool) { handler(); }
};

}  // namespace detail

/// An arm that is ready when a read from `fd` would not block: there is data, a connection to accept, the end, or an
/// error; also when `fd` is closed (by csp::net, or by a hooked close), is of a kind that cannot be waited for, or is
/// no descriptor. `handler()` then reads. If others read from `fd` too, one of them may be faster, so that a blocking
/// descriptor would block. `fd` may be blocking or not; it stays the caller's.
///
/// The select throws std::logic_error in a plain thread while no csp::run is at work; std::bad_alloc;
/// std::system_error when the system has no epoll instance or no watch left. Each turn costs two or three system calls.
template <class Handler = detail::no_handler>
[[nodiscard]] auto on_readable(int fd, Handler handler = {}) {
  return detail::readiness_arm<Handler>{{}, {fd, detail::io_direction::read}, std::move(handler)};
}

/// The same for a write to `fd`: there is room, a connect(2) has been decided, or there is an error.
template <class Handler = detail::no_handler>
[[nodiscard]] auto on_writable(int fd, Handler handler = {}) {
  return detail::readiness_arm<Handler>{{}, {fd, detail::io_direction::write}, std::move(handler)};
}

}  // namespace csp::inline v0
