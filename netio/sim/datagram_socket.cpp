#include "netio/sim/datagram_socket.h"

#include "netio/sim/socket_table.h"

#include <cerrno>

namespace csp::inline v0::detail::sim {
namespace {

/// What fits into one over IPv4 (udp(7)).
constexpr std::size_t largest_datagram = 65'507;
/// Linux's net.core.rmem_default.
constexpr std::size_t room_for_received = 212'992;

/// A datagram that is held back comes up to so many of the longest latencies later, or of these where there are none.
constexpr std::uint32_t longest_delays = 4;
constexpr nanos least_delay = 1'000'000;

}  // namespace

int datagram_socket::connect(const place& target) noexcept {
  peer = target;
  return 0;
}

ssize_t datagram_socket::send(const msghdr& from, const place* target) {
  const place& where = target != nullptr ? *target : peer;
  if (where.family == AF_UNSPEC) {
    return -EDESTADDRREQ;
  }
  const std::size_t size = size_of(from);
  if (size > largest_datagram) {
    return -EMSGSIZE;
  }
  datagram sent{id, host, local, where, gather(from, size)};
  if (sent.from.address.is_any()) {
    sent.from.address = where.address.is_loopback() ? where.address : host;
  }
  ++world.counts.sent;
  send_copy(sent);
  if (world.happens(world.settings.duplication)) {
    ++world.counts.duplicated;
    send_copy(sent);
  }
  return static_cast<ssize_t>(size);
}

void datagram_socket::send_copy(const datagram& sent) {
  if (world.happens(world.settings.loss)) {
    ++world.counts.lost;
    world.note(wire::event::drop, id, 0, sent.bytes.size(), "a datagram is lost");
    return;
  }
  if (world.is_cut(host, table.host_of(sent.to, host))) {
    ++world.counts.cut_off;
    world.note(wire::event::drop, id, 0, sent.bytes.size(), "a datagram is cut off");
    return;
  }
  nanos due = world.now() + world.latency();
  if (world.happens(world.settings.reordering)) {
    ++world.counts.reordered;
    due += std::max(world.settings.longest_latency, least_delay) * (1 + world.draw(longest_delays));
  } else {
    due = last_due_ = std::max(due, last_due_);
  }
  world.at(due, [&sockets = table, &around = world, sent] { travel(sockets, around, sent); });
}

void datagram_socket::travel(socket_table& sockets, wire& world, const datagram& came) {
  if (world.is_cut(came.from_host, sockets.host_of(came.to, came.from_host))) {
    ++world.counts.cut_off;
    world.note(wire::event::drop, came.sender, 0, came.bytes.size(), "a datagram is cut off");
    return;
  }
  datagram_socket* const target = sockets.find_datagram(came.to, came.from_host);
  // A connected one takes nothing from others.
  if (target == nullptr || (target->peer.family != AF_UNSPEC && !target->peer.is_same_as(came.from))) {
    ++world.counts.unreachable;
    world.note(wire::event::drop, came.sender, 0, came.bytes.size(), "a datagram finds nobody");
    return;
  }
  target->arrive(came);
}

void datagram_socket::arrive(const datagram& came) {
  if (received_bytes_ + came.bytes.size() > room_for_received) {
    ++world.counts.overflowed;
    world.note(wire::event::drop, came.sender, id, came.bytes.size(), "a datagram finds no room");
    return;
  }
  ++world.counts.arrived;
  world.note(wire::event::datagram, came.sender, id, came.bytes.size(), "a datagram arrives");
  received_.push_back(came);
  received_bytes_ += came.bytes.size();
  signal(io_direction::read);
}

ssize_t datagram_socket::receive(msghdr& into) {
  if (received_.empty()) {
    return -EAGAIN;
  }
  datagram first = std::move(received_.front());
  received_.pop_front();
  received_bytes_ -= first.bytes.size();
  const std::size_t count = scatter(first.bytes, into);
  into.msg_flags = count < first.bytes.size() ? MSG_TRUNC : 0;
  if (into.msg_name != nullptr) {
    first.from.family = local.family;
    socklen_t length = into.msg_namelen;
    first.from.to_native(static_cast<sockaddr*>(into.msg_name), &length);
    into.msg_namelen = length;
  }
  return static_cast<ssize_t>(count);
}

void datagram_socket::close() noexcept {
  open = bound = false;
  received_.clear();
}

}  // namespace csp::inline v0::detail::sim
