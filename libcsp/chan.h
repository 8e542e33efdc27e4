// Channels: typed queues between tasks and threads, with the semantics of Go's (The Go Programming Language
// Specification, "Channel types", "Send statements", "Receive operator", "Close"; The Go Memory Model, "Channel
// communication").
//
// A csp::chan is a shared handle, as in Go: copies name the same channel, and the channel lives as long as a handle
// does. All operations are const and may be called by any number of tasks and plain threads at once. Waiters are served
// first come, first served. A send happens before the receive that takes its value; the receive from an unbuffered
// channel happens before the completion of its send; a close happens before a receive that reports it.
//
// A payload's move constructor must not throw and must not use libcsp; its copy constructor may throw, and runs in the
// caller before the operation starts. An rvalue is moved from only if the operation succeeds.
#pragma once

#include <libcsp/chan_ends.h>
#include <libcsp/chan_types.h>
#include <libcsp/chan_void.h>

#include "channel/channel.h"

#include <cstddef>

namespace csp::inline v0 {

/// Both ends of a channel of T; T may be void for a channel that only signals.
template <class T>
class chan : public detail::channel_handle<chan<T>>,
             public detail::send_end<chan<T>, T>,
             public detail::receive_end<chan<T>, T> {
 public:
  /// A new channel that buffers up to `capacity` values; 0: unbuffered, each send meets a receive.
  /// \throws std::bad_alloc; std::length_error for more than 2^31
  explicit chan(std::size_t capacity = 0) : pointer_(new payload_channel(capacity)) {}
  /// A nil channel.
  explicit chan(nil_t) noexcept {}

  /// False for a nil channel.
  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(pointer_); }
  /// Handles are equal when they name the same channel.
  friend bool operator==(const chan& a, const chan& b) noexcept { return a.pointer_ == b.pointer_; }

  /// For the library: the channel behind the handle.
  [[nodiscard]] const auto& pointer() const noexcept { return pointer_; }

 private:
  using payload_channel = detail::channel<typename detail::payload_of<T>::type>;
  detail::channel_pointer<payload_channel> pointer_;
};

/// The sending end of a channel. Default-constructed: nil.
template <class T>
class sender : public detail::channel_handle<sender<T>>, public detail::send_end<sender<T>, T> {
 public:
  sender() noexcept = default;
  sender(const chan<T>& both) noexcept : pointer_(both.pointer()) {}  // NOLINT(google-explicit-constructor): a view
  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(pointer_); }
  friend bool operator==(const sender& a, const sender& b) noexcept { return a.pointer_ == b.pointer_; }
  /// For the library: the channel behind the handle.
  [[nodiscard]] const auto& pointer() const noexcept { return pointer_; }

 private:
  detail::channel_pointer<detail::channel<typename detail::payload_of<T>::type>> pointer_;
};

/// The receiving end of a channel. Default-constructed: nil. It cannot close the channel.
template <class T>
class receiver : public detail::channel_handle<receiver<T>>, public detail::receive_end<receiver<T>, T> {
 public:
  receiver() noexcept = default;
  receiver(const chan<T>& both) noexcept : pointer_(both.pointer()) {}  // NOLINT(google-explicit-constructor): a view
  /// For the library.
  explicit receiver(const detail::channel_pointer<detail::channel<typename detail::payload_of<T>::type>>& channel)
      : pointer_(channel) {}
  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(pointer_); }
  friend bool operator==(const receiver& a, const receiver& b) noexcept { return a.pointer_ == b.pointer_; }
  /// For the library: the channel behind the handle.
  [[nodiscard]] const auto& pointer() const noexcept { return pointer_; }

 private:
  detail::channel_pointer<detail::channel<typename detail::payload_of<T>::type>> pointer_;
};

}  // namespace csp::inline v0
