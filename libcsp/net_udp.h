// Datagrams; include <libcsp/net.h>.
#pragma once

#include <libcsp/net_socket.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace csp::inline v0::net {

/// A datagram that has come.
struct datagram {
  std::size_t size = 0;    ///< bytes that were stored
  address from;            ///< who sent it
  bool truncated = false;  ///< it was longer; the rest is lost
};

/// A udp socket. Each operation moves one datagram. Waiting, cancellation and errors as for stream; an error that an
/// earlier datagram met (such as connection_refused, on a connected socket) is reported by a later call (udp(7)).
class CSP_API udp : public socket {
 public:
  udp() noexcept = default;

  /// A socket at an address of ours; port 0: the system chooses; an empty host: all IPv4 addresses.
  [[nodiscard]] static result<udp> bind(std::string_view host, std::uint16_t port);
  [[nodiscard]] static result<udp> bind(const address& where);
  /// A socket that sends to, and receives from, `peer` only.
  [[nodiscard]] static result<udp> connect(const address& peer);
  /// The same; the first of the host's addresses that the system takes.
  [[nodiscard]] static result<udp> connect(std::string_view host, std::uint16_t port);

  /// Sends one datagram to `peer`; its size. Too long: std::errc::message_size.
  result<std::size_t> send_to(const void* data, std::size_t size, const address& peer);
  result<std::size_t> send_to(std::string_view text, const address& peer) {
    return send_to(text.data(), text.size(), peer);
  }
  /// Receives one datagram into up to `size` bytes.
  result<datagram> receive_from(void* data, std::size_t size);

  /// The same on a connected socket. receive() drops what does not fit; a size of 0 is a datagram without bytes.
  result<std::size_t> send(const void* data, std::size_t size);
  result<std::size_t> send(std::string_view text) { return send(text.data(), text.size()); }
  result<std::size_t> receive(void* data, std::size_t size);

  /// The address that it is connected to; none when it is not.
  [[nodiscard]] address peer() const { return peer_address(); }

 private:
  explicit udp(detail::shared_fd_owner owned) noexcept : socket(std::move(owned)) {}
};

}  // namespace csp::inline v0::net
