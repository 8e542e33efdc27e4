// The operations of a channel's two ends, shared by csp::chan and the one-way views; include <libcsp/chan.h>.
#pragma once

#include <libcsp/chan_types.h>

#include "channel/channel.h"
#include "sched/base/clock.h"
#include "sched/canceled.h"
#include "sched/deadline.h"
#include "sched/park.h"

#include <chrono>
#include <cstddef>
#include <iterator>
#include <optional>
#include <type_traits>
#include <utility>

namespace csp::inline v0 {

namespace detail {

/// What a channel<void> carries.
struct signal_value {};

/// The type that a channel of T carries.
template <class T>
struct payload_of {
  using type = T;
};
template <>
struct payload_of<void> {
  using type = signal_value;
};

/// Throws closed_channel or canceled for a plain operation that came to `status`.
[[noreturn]] CSP_API void throw_status(op_status status);
/// Throws std::logic_error: close of a nil channel.
[[noreturn]] CSP_API void throw_close_of_nil();
/// An operation with a limit on a nil channel: waits for the deadline.
CSP_API op_status wait_on_nil(nanos deadline);

/// True for values that functions return, in a std::optional, in registers, and so without elision of the copy. Such a
/// one is better taken part by part: it was filled part by part just now, and one wide load would wait until those
/// narrow stores have left the core's store buffer, which takes longer than a stack switch.
template <class T>
inline constexpr bool taken_by_parts = std::is_trivially_copyable_v<T> && sizeof(std::optional<T>) <= 2 * sizeof(void*);

/// What an operation has received, to be handed on.
template <class T>
[[nodiscard]] CSP_ALWAYS_INLINE std::optional<T> taken(std::optional<T>& filled) {
  if constexpr (taken_by_parts<T>) {
    return filled.has_value() ? std::optional<T>(std::in_place, *filled) : std::nullopt;
  } else {
    return std::move(filled);
  }
}

/// What all handles can tell.
template <class Self>
class channel_handle {
 public:
  /// Values in the buffer; a glance. 0 for a nil channel.
  [[nodiscard]] std::size_t size() const noexcept {
    const auto& channel = self().pointer();
    return channel ? channel->size() : 0;
  }
  /// The size of the buffer; 0 for an unbuffered or nil channel.
  [[nodiscard]] std::size_t capacity() const noexcept {
    const auto& channel = self().pointer();
    return channel ? channel->capacity() : 0;
  }
  /// True after close(); a glance.
  [[nodiscard]] bool is_closed() const noexcept {
    const auto& channel = self().pointer();
    return channel && channel->is_closed();
  }

 private:
  [[nodiscard]] const Self& self() const noexcept { return static_cast<const Self&>(*this); }
};

/// The sending operations. Errors: on a closed channel the plain forms throw closed_channel, the others answer
/// op_status::closed; a cancelled task gets csp::canceled, or op_status::canceled. A nil channel blocks for ever.
template <class Self, class T>
class send_end {
 public:
  /// Sends; blocks until the value is buffered or received. `value` is moved from only on success. Cancellation point.
  CSP_ALWAYS_INLINE void send(T&& value) const { send_now(value); }
  /// The same with a copy, made first.
  CSP_ALWAYS_INLINE void send(const T& value) const requires std::is_copy_constructible_v<T> {
    T copy(value);
    send_now(copy);
  }

  /// Sends if that is possible at once: ok, would_block or closed.
  op_status try_send(T&& value) const {
    const auto& channel = self().pointer();
    return channel ? channel->try_send(value) : op_status::would_block;
  }
  op_status try_send(const T& value) const requires std::is_copy_constructible_v<T> { return try_send(T(value)); }

  /// Sends unless `deadline` (steady clock) comes first: ok, timeout, closed or canceled. Cancellation is an answer
  /// here, not an exception.
  op_status send_until(T&& value, std::chrono::steady_clock::time_point deadline) const {
    return send_by(value, to_nanos(deadline));
  }
  op_status send_until(const T& value,
                       std::chrono::steady_clock::time_point deadline) const requires std::is_copy_constructible_v<T> {
    T copy(value);
    return send_by(copy, to_nanos(deadline));
  }

  /// Sends within `limit`; duration::max() is without limit, zero or less is one attempt.
  template <class Rep, class Period>
  op_status send_for(T&& value, std::chrono::duration<Rep, Period> limit) const {
    return send_by(value, limit_after(limit));
  }
  template <class Rep, class Period>
  op_status send_for(const T& value,
                     std::chrono::duration<Rep, Period> limit) const requires std::is_copy_constructible_v<T> {
    T copy(value);
    return send_by(copy, limit_after(limit));
  }

  /// Closes the channel: what is buffered can still be received, after that receives report the end; senders that wait
  /// get closed_channel. False when it was closed already (where Go panics). Does not block.
  /// \throws std::logic_error for a nil channel
  bool close() const {
    const auto& channel = self().pointer();
    if (!channel) {
      throw_close_of_nil();
    }
    return channel->close();
  }

  /// send(value), for chains.
  const Self& operator<<(T&& value) const {
    send(std::move(value));
    return self();
  }
  const Self& operator<<(const T& value) const requires std::is_copy_constructible_v<T> {
    send(value);
    return self();
  }

 private:
  [[nodiscard]] const Self& self() const noexcept { return static_cast<const Self&>(*this); }
  CSP_ALWAYS_INLINE void send_now(T& value) const {
    const auto& channel = self().pointer();
    if (!channel) [[unlikely]] {
      wait_for_ever();
    }
    if (const op_status status = channel->send(value, never); status != op_status::ok) [[unlikely]] {
      throw_status(status);
    }
  }
  op_status send_by(T& value, nanos deadline) const {
    const auto& channel = self().pointer();
    return channel ? channel->send(value, deadline) : wait_on_nil(deadline);
  }
};

/// Receives until the channel is closed and drained.
template <class T>
class receive_iterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = T;
  using difference_type = std::ptrdiff_t;
  using pointer = T*;
  using reference = T&;

  receive_iterator() noexcept = default;
  explicit receive_iterator(channel<T>& source) : source_(&source) { ++*this; }

  [[nodiscard]] T& operator*() const noexcept { return *current_; }
  [[nodiscard]] T* operator->() const noexcept { return &*current_; }
  CSP_ALWAYS_INLINE receive_iterator& operator++() {
    current_.reset();
    if (source_->receive(current_, never) == op_status::canceled) {
      throw canceled();
    }
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(const receive_iterator& at, std::default_sentinel_t) noexcept {
    return !at.current_.has_value();
  }

 private:
  channel<T>* source_ = nullptr;
  mutable std::optional<T> current_;
};

/// The receiving operations. A cancelled task gets csp::canceled from the plain forms, op_status::canceled from the
/// others. A nil channel blocks for ever.
template <class Self, class T>
class receive_end {
 public:
  /// Receives; blocks until there is a value. nullopt: the channel is closed and drained. Cancellation point.
  [[nodiscard]] CSP_ALWAYS_INLINE std::optional<T> recv() const requires taken_by_parts<T> {
    std::optional<T> value;
    static_cast<void>(receive_now(value));
    return taken(value);
  }
  /// The same. A function of its own: compilers are sure to elide the copy only where there is one return.
  [[nodiscard]] CSP_ALWAYS_INLINE std::optional<T> recv() const {
    std::optional<T> value;
    static_cast<void>(receive_now(value));
    return value;
  }

  /// Receives if that is possible at once: ok, would_block or closed.
  op_status try_recv(T& value) const {
    return assign(
        value, [](const auto& channel, auto& out) { return channel->try_receive(out); }, op_status::would_block);
  }
  /// The same for a type that cannot be assigned or default-constructed.
  recv_result<T> try_recv() const {
    recv_result<T> result{op_status::would_block, std::nullopt};
    if (const auto& channel = self().pointer()) {
      result.status = channel->try_receive(result.value);
    }
    return result;
  }

  /// Receives unless `deadline` (steady clock) comes first: ok, timeout, closed or canceled.
  op_status recv_until(T& value, std::chrono::steady_clock::time_point deadline) const {
    return receive_by(value, to_nanos(deadline));
  }
  recv_result<T> recv_until(std::chrono::steady_clock::time_point deadline) const {
    return receive_by(to_nanos(deadline));
  }

  /// Receives within `limit`; duration::max() is without limit, zero or less is one attempt.
  template <class Rep, class Period>
  op_status recv_for(T& value, std::chrono::duration<Rep, Period> limit) const {
    return receive_by(value, limit_after(limit));
  }
  template <class Rep, class Period>
  recv_result<T> recv_for(std::chrono::duration<Rep, Period> limit) const {
    return receive_by(limit_after(limit));
  }

  /// Receives into `value`, for chains. \throws closed_channel when the channel is closed and drained
  const Self& operator>>(T& value) const {
    std::optional<T> received;
    if (receive_now(received) != op_status::ok) {
      throw closed_channel();
    }
    value = std::move(*received);
    return self();
  }

  /// `for (T& value : channel)` receives until the channel is closed and drained.
  [[nodiscard]] receive_iterator<T> begin() const {
    const auto& channel = self().pointer();
    if (!channel) {
      wait_for_ever();
    }
    return receive_iterator<T>(*channel.get());
  }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  [[nodiscard]] const Self& self() const noexcept { return static_cast<const Self&>(*this); }
  CSP_ALWAYS_INLINE op_status receive_now(std::optional<T>& value) const {
    const auto& channel = self().pointer();
    if (!channel) [[unlikely]] {
      wait_for_ever();
    }
    const op_status status = channel->receive(value, never);
    if (status == op_status::canceled) [[unlikely]] {
      throw canceled();
    }
    return status;
  }

  template <class Receive>
  op_status assign(T& value, Receive&& receive, op_status on_nil) const {
    const auto& channel = self().pointer();
    if (!channel) {
      return on_nil;
    }
    std::optional<T> received;
    const op_status status = receive(channel, received);
    if (received.has_value()) {
      value = std::move(*received);
    }
    return status;
  }

  op_status receive_by(T& value, nanos deadline) const {
    if (!self().pointer()) {
      return wait_on_nil(deadline);
    }
    return assign(
        value, [deadline](const auto& channel, auto& out) { return channel->receive(out, deadline); },
        op_status::timeout);
  }

  recv_result<T> receive_by(nanos deadline) const {
    recv_result<T> result{op_status::timeout, std::nullopt};
    const auto& channel = self().pointer();
    result.status = channel ? channel->receive(result.value, deadline) : wait_on_nil(deadline);
    return result;
  }
};

}  // namespace detail
}  // namespace csp::inline v0
