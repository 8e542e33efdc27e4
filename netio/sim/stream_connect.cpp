// Simulated streams: how connections are asked for, accepted and refused.

#include "netio/sim/stream_socket.h"

#include "netio/sim/socket_table.h"

#include <algorithm>
#include <cerrno>

namespace csp::inline v0::detail::sim {

int stream_socket::listen(int backlog) {
  if (state_ != state::fresh && state_ != state::listening) {
    return -EINVAL;
  }
  state_ = state::listening;
  backlog_ = static_cast<std::size_t>(std::max(backlog, 0));
  return 0;
}

stream_socket* stream_socket::accept(int& outcome) {
  outcome = state_ != state::listening ? -EINVAL : -EAGAIN;
  if (state_ != state::listening || pending_.empty()) {
    return nullptr;
  }
  stream_socket* const taken = pending_.front();
  pending_.pop_front();
  world.note(wire::event::accept, taken->id, id, 0, "a connection is accepted");
  return taken;
}

int stream_socket::connect(const place& target) {
  switch (state_) {
    case state::connecting:
      return -EALREADY;
    case state::half_open:
    case state::connected:
    case state::listening:
      return -EISCONN;
    case state::dead:
      return error_ != 0 ? -take_error() : -ECONNABORTED;
    case state::fresh:
      break;
  }
  if (is_local()) {
    return connect_locally(target);
  }
  peer = target;
  state_ = state::connecting;
  world.note(wire::event::connect, id, 0, peer.port, "a connection is asked for");
  transmit({parcel_kind::request});
  return -EINPROGRESS;
}

int stream_socket::connect_locally(const place& target) {
  stream_socket* const listener = table.find_listener(target, host);
  if (listener == nullptr) {
    return table.is_path_bound(target) ? -ECONNREFUSED : -ENOENT;
  }
  // As in Linux, one more than it says.
  if (listener->pending_.size() > listener->backlog_) {
    return -EAGAIN;
  }
  stream_socket& server = table.make_stream(AF_UNIX);
  server.local = listener->local;
  peer = listener->local;
  join(*this, server);
  listener->pending_.push_back(&server);
  world.note(wire::event::connect, id, server.id, 0, "a unix connection is made");
  listener->signal(io_direction::read);
  return 0;
}

void stream_socket::join(stream_socket& a, stream_socket& b) noexcept {
  a.other_ = &b;
  b.other_ = &a;
  a.state_ = b.state_ = state::connected;
}

bool stream_socket::request_arrives() {
  stream_socket* const listener = table.find_listener(peer, host);
  if (listener == nullptr) {
    world.at(world.now() + world.latency(), [this] { be_refused(); });
    return true;
  }
  if (listener->pending_.size() + listener->half_open_ > listener->backlog_) {
    world.note(wire::event::drop, id, listener->id, 0, "a backlog is full");
    return false;
  }
  stream_socket& server = table.make_stream(listener->local.family);
  server.host = listener->host;
  server.local = peer;
  server.local.family = listener->local.family;
  server.peer = local;
  server.peer.family = listener->local.family;
  server.options = listener->options;
  server.state_ = state::half_open;
  server.listener_ = listener;
  server.other_ = this;
  other_ = &server;
  ++listener->half_open_;
  server.transmit({parcel_kind::answer});
  return true;
}

void stream_socket::be_refused() {
  if (state_ != state::connecting || !open) {
    return;
  }
  if (world.is_cut(host, table.host_of(peer, host))) {
    transmit({parcel_kind::request});  // the refusal is lost
    return;
  }
  world.note(wire::event::refuse, id, 0, peer.port, "a connection is refused");
  fail(ECONNREFUSED);
}

void stream_socket::leave_listener() noexcept {
  if (state_ == state::half_open) {
    --listener_->half_open_;
  }
}

}  // namespace csp::inline v0::detail::sim
