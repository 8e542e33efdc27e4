#include "netio/sim/stream_socket.h"

#include "netio/sim/socket_table.h"

#include <cerrno>

namespace csp::inline v0::detail::sim {
namespace {

constexpr nanos nanos_per_second = 1'000'000'000;
// Linux's defaults (tcp(7)): a request of a connection is sent again after 1 s, 2 s, 4 s ... and 6 times
// (tcp_syn_retries); anything else after 200 ms, 400 ms ... up to 120 s, and 15 times (tcp_retries2).
constexpr nanos first_request_pause = nanos_per_second;
constexpr nanos first_pause = nanos_per_second / 5;
constexpr nanos longest_pause = 120 * nanos_per_second;
constexpr unsigned most_request_tries = 6;
constexpr unsigned most_tries = 15;

/// How often a write, or a read of a unix stream, is short without need.
constexpr double short_rate = 0.125;
/// A write is cut into at most so many segments.
constexpr std::uint32_t most_segments = 3;

}  // namespace

// --- parcels
// ---------------------------------------------------------------------------------------------------------

void stream_socket::transmit(parcel sent) {
  if (is_local()) {
    other_->arrive(std::move(sent));
    return;
  }
  last_due_ = std::max(last_due_, world.now() + world.latency());
  sent.due = last_due_;
  line_.push_back(std::move(sent));
  if (line_.size() == 1) {
    tries_ = 0;
    plan_first();
  }
}

void stream_socket::plan_first() {
  world.at(line_.front().due, [this, plan = ++plan_] {
    if (plan == plan_) advance();
  });
}

void stream_socket::drop_line() noexcept {
  line_.clear();
  ++plan_;
}

void stream_socket::advance() {
  const bool asks = line_.front().kind == parcel_kind::request;
  if (tries_ > (asks ? most_request_tries : most_tries)) {
    fail(ETIMEDOUT);  // the last try has had its time as well
    return;
  }
  if (world.is_cut(host, table.host_of(peer, host)) || (asks && !request_arrives())) {
    send_again();
    return;
  }
  tries_ = 0;
  parcel first = std::move(line_.front());
  line_.pop_front();
  if (!line_.empty()) {
    plan_first();
  }
  if (!asks) {
    other_->arrive(std::move(first));
  }
}

void stream_socket::send_again() {
  const bool asks = line_.front().kind == parcel_kind::request;
  ++tries_;
  world.note(wire::event::resend, id, 0, tries_, "to be sent again");
  const nanos pause = std::min((asks ? first_request_pause : first_pause) << (tries_ - 1), longest_pause);
  line_.front().due = world.now() + pause;
  last_due_ = std::max(last_due_, line_.front().due);
  plan_first();
}

void stream_socket::arrive(parcel came) {
  switch (came.kind) {
    case parcel_kind::request:
      break;  // never: it is met by a listener
    case parcel_kind::answer:
      if (state_ != state::connecting || !open) {
        send_reset();
        return;
      }
      state_ = state::connected;
      world.note(wire::event::connect, other_->id, id, 0, "a connection is made");
      transmit({parcel_kind::complete});
      signal(io_direction::write);
      return;
    case parcel_kind::complete:
      if (state_ != state::half_open) {
        return;
      }
      leave_listener();
      state_ = state::connected;
      if (!listener_->open) {
        open = false;
        send_reset();
        return;
      }
      listener_->pending_.push_back(this);
      listener_->signal(io_direction::read);
      return;
    case parcel_kind::data:
      if (state_ == state::dead) {
        return;
      }
      if (!open) {
        send_reset();
        return;
      }
      world.note(wire::event::segment, other_->id, id, came.bytes.size(), "bytes arrive");
      received_ += came.bytes;
      signal(io_direction::read);
      return;
    case parcel_kind::credit:
      outstanding_ -= came.count;
      signal(io_direction::write);
      return;
    case parcel_kind::end:
    case parcel_kind::hang_up:
      if (state_ == state::dead) {
        return;
      }
      world.note(wire::event::end, other_->id, id, 0, "the end arrives");
      peer_ended_ = true;
      write_ended_ = write_ended_ || came.kind == parcel_kind::hang_up;
      signal_unusual();
      return;
    case parcel_kind::reset:
      // After the peer's end, tcp says that the pipe is broken.
      fail(peer_ended_ && !is_local() ? EPIPE : ECONNRESET);
      return;
  }
}

void stream_socket::send_reset() {
  leave_listener();
  drop_line();
  received_.clear();
  taken_ = 0;
  state_ = state::dead;
  transmit({parcel_kind::reset});
}

void stream_socket::fail(int error) {
  if (state_ == state::dead) {
    return;
  }
  world.note(wire::event::reset, id, 0, static_cast<std::uint64_t>(error), "a connection fails");
  leave_listener();
  drop_line();
  error_ = error;
  state_ = state::dead;
  signal_unusual();
}

void stream_socket::reset_connection() {
  if (other_ != nullptr) {
    other_->fail(ECONNRESET);
    fail(ECONNRESET);
  }
}

// --- transfer
// --------------------------------------------------------------------------------------------------------

std::size_t stream_socket::room() const noexcept {
  const std::size_t window = world.settings.window;
  return congested_ || outstanding_ >= window ? 0 : window - outstanding_;
}

ssize_t stream_socket::read(const msghdr& into) {
  switch (state_) {
    case state::fresh:
    case state::listening:
      return -ENOTCONN;
    case state::connecting:
    case state::half_open:
      return -EAGAIN;
    case state::connected:
    case state::dead:
      break;
  }
  if (taken_ < received_.size()) {
    std::string_view there = std::string_view(received_).substr(taken_);
    // Of tcp a short read proves that nothing is left; there the segments alone move the boundaries.
    if (is_local() && there.size() > 1 && world.happens(short_rate)) {
      there = there.substr(0, 1 + world.draw(static_cast<std::uint32_t>(there.size() - 1)));
    }
    const std::size_t count = scatter(there, into);
    taken_ += count;
    if (taken_ == received_.size()) {
      received_.clear();
      taken_ = 0;
    }
    if (state_ == state::connected) {
      if (!is_local() && !line_.empty() && line_.back().kind == parcel_kind::credit) {
        line_.back().count += count;
      } else {
        transmit({parcel_kind::credit, count});
      }
    }
    return static_cast<ssize_t>(count);
  }
  // Linux looks for an error first on a unix stream, and for the peer's end on tcp.
  if (error_ != 0 && (is_local() || !peer_ended_)) {
    return -take_error();
  }
  return peer_ended_ || read_ended_ || state_ == state::dead ? 0 : -EAGAIN;
}

ssize_t stream_socket::write(const msghdr& from) {
  switch (state_) {
    case state::fresh:
    case state::listening:
      return is_local() ? -ENOTCONN : -EPIPE;
    case state::connecting:
    case state::half_open:
      return -EAGAIN;
    case state::connected:
    case state::dead:
      break;
  }
  if (error_ != 0 && !is_local()) {
    return -take_error();
  }
  if (write_ended_ || state_ == state::dead) {
    return -EPIPE;
  }
  std::size_t count = std::min(size_of(from), room());
  if (count == 0) {
    return -EAGAIN;
  }
  if (count > 1 && world.happens(short_rate)) {
    count = 1 + world.draw(static_cast<std::uint32_t>(count - 1));
    if (!is_local()) {
      // Of tcp a short write proves that there is no room until the next edge.
      congested_ = true;
      world.at(world.now() + world.latency(), [this] {
        congested_ = false;
        signal(io_direction::write);
      });
    }
  }
  outstanding_ += count;
  write_in_segments(gather(from, count));
  return static_cast<ssize_t>(count);
}

void stream_socket::write_in_segments(std::string bytes) {
  const std::uint32_t cuts = is_local() || bytes.size() == 1 ? 0 : world.draw(most_segments);
  for (std::uint32_t i = 0; i < cuts && bytes.size() > 1; ++i) {
    const std::size_t size = 1 + world.draw(static_cast<std::uint32_t>(bytes.size() - 1));
    transmit({parcel_kind::data, 0, bytes.substr(0, size)});
    bytes.erase(0, size);
  }
  transmit({parcel_kind::data, 0, std::move(bytes)});
}

// --- the end
// ---------------------------------------------------------------------------------------------------------

int stream_socket::shutdown(int how) {
  if (state_ != state::connected) {
    return -ENOTCONN;
  }
  if (how != SHUT_WR) {
    read_ended_ = true;
    if (is_local()) {
      other_->write_ended_ = true;
      other_->signal_unusual();
    }
  }
  if (how != SHUT_RD && !write_ended_) {
    write_ended_ = true;
    transmit({parcel_kind::end});
  }
  signal_unusual();
  return 0;
}

void stream_socket::close() {
  if (!open) {
    return;
  }
  open = bound = false;
  const bool unread = taken_ < received_.size();
  switch (state_) {
    case state::fresh:
    case state::half_open:
    case state::dead:
      break;
    case state::listening:
      for (stream_socket* const each : std::exchange(pending_, {})) {
        each->open = false;
        if (each->state_ == state::connected) each->send_reset();
      }
      break;
    case state::connecting:
      drop_line();
      state_ = state::dead;
      break;
    case state::connected:
      if (unread) {
        send_reset();
      } else if (is_local()) {
        state_ = state::dead;
        transmit({parcel_kind::hang_up});
      } else if (!write_ended_) {
        write_ended_ = true;
        transmit({parcel_kind::end});
      }
      break;
  }
  received_.clear();
  taken_ = 0;
}

bool stream_socket::is_ready(io_direction way) const noexcept {
  switch (state_) {
    case state::fresh:
    case state::dead:
      return true;
    case state::listening:
      return way == io_direction::read && !pending_.empty();
    case state::connecting:
    case state::half_open:
      return false;
    case state::connected:
      break;
  }
  return way == io_direction::read ? taken_ < received_.size() || peer_ended_ || read_ended_
                                   : room() != 0 || write_ended_;
}

}  // namespace csp::inline v0::detail::sim
