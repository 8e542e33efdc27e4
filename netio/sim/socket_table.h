// All sockets of a simulated network: making them, their ports, and finding who is at an address.
//
// A host is an address, so binding to an address says where a socket is, from whatever task. A socket that is bound to
// a loopback address, or to any, is on the caller's host.
#pragma once

#include "netio/sim/datagram_socket.h"
#include "netio/sim/stream_socket.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace csp::inline v0::detail::sim {

class socket_table {
 public:
  explicit socket_table(wire& world) noexcept : world_(world) {}

  [[nodiscard]] stream_socket& make_stream(int family);
  [[nodiscard]] datagram_socket& make_datagram(int family);

  /// Binds a socket to a place; port 0: chooses one. Outcomes of bind(2).
  [[nodiscard]] int bind(simulated_socket& subject, const place& where, const host_address& caller);
  /// Binds a socket that is not bound yet to where it can reach `target` from.
  [[nodiscard]] int bind_for(simulated_socket& subject, const place& target, const host_address& caller);

  /// The host that a place is on, as seen from another.
  [[nodiscard]] host_address host_of(const place& where, const host_address& caller) const noexcept;
  /// Of several listeners that share a port, any.
  [[nodiscard]] stream_socket* find_listener(const place& target, const host_address& caller);
  [[nodiscard]] datagram_socket* find_datagram(const place& target, const host_address& caller) const noexcept;
  [[nodiscard]] bool is_path_bound(const place& path) const noexcept;

  /// Resets the connections between two hosts.
  void reset_between(const host_address& a, const host_address& b);

 private:
  [[nodiscard]] bool is_free(const simulated_socket& subject) const noexcept;
  [[nodiscard]] int choose_port(simulated_socket& subject) noexcept;

  // Linux's net.ipv4.ip_local_port_range.
  static constexpr std::uint16_t first_chosen_port = 32'768;
  static constexpr std::uint16_t last_chosen_port = 60'999;

  wire& world_;
  std::uint64_t made_ = 0;
  std::uint16_t next_port_ = first_chosen_port;
  std::vector<std::unique_ptr<stream_socket>> streams_;
  std::vector<std::unique_ptr<datagram_socket>> datagrams_;
};

}  // namespace csp::inline v0::detail::sim
