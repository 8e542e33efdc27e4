#include "netio/sim/socket_table.h"

#include <cerrno>

namespace csp::inline v0::detail::sim {
namespace {

/// Whether what is sent to an address comes to a socket on its host.
[[nodiscard]] bool covers(const place& bound, const host_address& target) noexcept {
  if (!bound.address.is_any()) {
    return bound.address == target;
  }
  return bound.address == host_address() || target.is_ipv4();  // "::" takes both families
}

[[nodiscard]] bool overlap(const place& a, const place& b) noexcept {
  return a.port == b.port && (a.address == b.address || a.address.is_any() || b.address.is_any());
}

}  // namespace

stream_socket& socket_table::make_stream(int family) {
  streams_.push_back(std::make_unique<stream_socket>(SOCK_STREAM, ++made_, *this, world_));
  streams_.back()->local.family = family;
  return *streams_.back();
}

datagram_socket& socket_table::make_datagram(int family) {
  datagrams_.push_back(std::make_unique<datagram_socket>(SOCK_DGRAM, ++made_, *this, world_));
  datagrams_.back()->local.family = family;
  return *datagrams_.back();
}

// --- binding
// ---------------------------------------------------------------------------------------------------------

bool socket_table::is_free(const simulated_socket& subject) const noexcept {
  const auto collides = [&subject](const simulated_socket& other) {
    if (&other == &subject || !other.bound) {
      return false;
    }
    if (subject.local.family == AF_UNIX || other.local.family == AF_UNIX) {
      return subject.local.family == other.local.family && subject.local.path == other.local.path;
    }
    const bool share = subject.option(SOL_SOCKET, SO_REUSEPORT) != 0 && other.option(SOL_SOCKET, SO_REUSEPORT) != 0;
    return subject.host == other.host && overlap(subject.local, other.local) && !share;
  };
  const auto any_of = [&collides](const auto& sockets) {
    return std::any_of(sockets.begin(), sockets.end(), [&](const auto& each) { return collides(*each); });
  };
  return subject.type == SOCK_STREAM ? !any_of(streams_) : !any_of(datagrams_);
}

int socket_table::choose_port(simulated_socket& subject) noexcept {
  for (int tried = first_chosen_port; tried <= last_chosen_port; ++tried) {
    subject.local.port = next_port_;
    next_port_ = next_port_ == last_chosen_port ? first_chosen_port : static_cast<std::uint16_t>(next_port_ + 1);
    if (is_free(subject)) {
      subject.bound = true;
      return 0;
    }
  }
  subject.local.port = 0;
  return -EADDRINUSE;
}

int socket_table::bind(simulated_socket& subject, const place& where, const host_address& caller) {
  if (subject.bound) {
    return -EINVAL;
  }
  const place before = subject.local;
  if (where.family != before.family) {
    return where.family == AF_UNIX || before.family == AF_UNIX ? -EINVAL : -EAFNOSUPPORT;
  }
  subject.local = where;
  subject.host = where.address.is_any() ? caller : host_of(where, caller);
  if (where.family != AF_UNIX && where.port == 0) {
    return choose_port(subject);
  }
  if (!is_free(subject)) {
    subject.local = before;
    return -EADDRINUSE;
  }
  subject.bound = true;
  return 0;
}

int socket_table::bind_for(simulated_socket& subject, const place& target, const host_address& caller) {
  if (subject.local.family == AF_INET && !target.address.is_loopback() && !caller.is_ipv4()) {
    return -ENETUNREACH;
  }
  subject.host = caller;
  subject.local.address = target.address.is_loopback() ? target.address : caller;
  return choose_port(subject);
}

// --- finding
// ---------------------------------------------------------------------------------------------------------

host_address socket_table::host_of(const place& where, const host_address& caller) const noexcept {
  return where.family == AF_UNIX || where.address.is_loopback() ? caller : where.address;
}

stream_socket* socket_table::find_listener(const place& target, const host_address& caller) {
  const host_address host = host_of(target, caller);
  std::vector<stream_socket*> found;
  for (const auto& each : streams_) {
    if (!each->is_listening()) {
      continue;
    }
    const bool is_it = target.family == AF_UNIX
                           ? each->local.family == AF_UNIX && each->local.path == target.path
                           : each->local.family != AF_UNIX && each->host == host && each->local.port == target.port &&
                                 covers(each->local, target.address);
    if (is_it) {
      found.push_back(each.get());
    }
  }
  return found.empty() ? nullptr : found[world_.draw(static_cast<std::uint32_t>(found.size()))];
}

datagram_socket* socket_table::find_datagram(const place& target, const host_address& caller) const noexcept {
  const host_address host = host_of(target, caller);
  const auto found = std::find_if(datagrams_.begin(), datagrams_.end(), [&](const auto& each) {
    return each->open && each->bound && each->host == host && each->local.port == target.port &&
           covers(each->local, target.address);
  });
  return found != datagrams_.end() ? found->get() : nullptr;
}

bool socket_table::is_path_bound(const place& path) const noexcept {
  return std::any_of(streams_.begin(), streams_.end(), [&path](const auto& each) {
    return each->bound && each->local.family == AF_UNIX && each->local.path == path.path;
  });
}

void socket_table::reset_between(const host_address& a, const host_address& b) {
  // Nobody runs before this ends. The second end of a connection that was reset is not connected any more.
  for (const auto& each : streams_) {
    if (each->is_connected() && each->local.family != AF_UNIX) {
      const host_address other = host_of(each->peer, each->host);
      if ((each->host == a && other == b) || (each->host == b && other == a)) {
        each->reset_connection();
      }
    }
  }
}

}  // namespace csp::inline v0::detail::sim
