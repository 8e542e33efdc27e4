// The operations of a channel<void>, which carries signals without a value; include <libcsp/chan.h>.
#pragma once

#include <libcsp/chan_ends.h>

namespace csp::inline v0::detail {

/// As the general form, with nothing to pass.
template <class Self>
class send_end<Self, void> {
 public:
  /// Sends a signal; blocks until it is buffered or received. Cancellation point.
  void send() const {
    const auto& channel = self().pointer();
    if (!channel) {
      wait_for_ever();
    }
    signal_value signal;
    if (const op_status status = channel->send(signal, never); status != op_status::ok) {
      throw_status(status);
    }
  }
  /// Sends if that is possible at once.
  op_status try_send() const {
    const auto& channel = self().pointer();
    signal_value signal;
    return channel ? channel->try_send(signal) : op_status::would_block;
  }
  /// Sends unless the deadline comes first.
  op_status send_until(std::chrono::steady_clock::time_point deadline) const { return send_by(to_nanos(deadline)); }
  template <class Rep, class Period>
  op_status send_for(std::chrono::duration<Rep, Period> limit) const {
    return send_by(limit_after(limit));
  }
  /// Closes the channel; false when it was closed. \throws std::logic_error for a nil channel
  bool close() const {
    const auto& channel = self().pointer();
    if (!channel) {
      throw_close_of_nil();
    }
    return channel->close();
  }

 private:
  [[nodiscard]] const Self& self() const noexcept { return static_cast<const Self&>(*this); }
  op_status send_by(nanos deadline) const {
    const auto& channel = self().pointer();
    signal_value signal;
    return channel ? channel->send(signal, deadline) : wait_on_nil(deadline);
  }
};

/// As the general form, with nothing to pass.
template <class Self>
class receive_end<Self, void> {
 public:
  /// Receives a signal; blocks until there is one. False: the channel is closed and drained. Cancellation point.
  bool recv() const {
    const auto& channel = self().pointer();
    if (!channel) {
      wait_for_ever();
    }
    std::optional<signal_value> signal;
    const op_status status = channel->receive(signal, never);
    if (status == op_status::canceled) {
      throw canceled();
    }
    return status == op_status::ok;
  }
  /// Receives if that is possible at once.
  op_status try_recv() const {
    const auto& channel = self().pointer();
    std::optional<signal_value> signal;
    return channel ? channel->try_receive(signal) : op_status::would_block;
  }
  /// Receives unless the deadline comes first.
  op_status recv_until(std::chrono::steady_clock::time_point deadline) const { return receive_by(to_nanos(deadline)); }
  template <class Rep, class Period>
  op_status recv_for(std::chrono::duration<Rep, Period> limit) const {
    return receive_by(limit_after(limit));
  }

 private:
  [[nodiscard]] const Self& self() const noexcept { return static_cast<const Self&>(*this); }
  op_status receive_by(nanos deadline) const {
    const auto& channel = self().pointer();
    std::optional<signal_value> signal;
    return channel ? channel->receive(signal, deadline) : wait_on_nil(deadline);
  }
};

}  // namespace csp::inline v0::detail
