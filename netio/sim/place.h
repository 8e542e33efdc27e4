// Where a simulated socket is: a host and a port, or the path of a unix socket.
//
// A host is an address. IPv4 addresses are kept as IPv6 addresses that stand for them (RFC 4291, 2.5.5.2), so that both
// spellings are one host.
#pragma once

#include "sched/base/config.h"

#include <sys/socket.h>
#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>

namespace csp::inline v0::detail::sim {

struct host_address {
  std::array<std::uint8_t, 16> bytes{};

  [[nodiscard]] static host_address ipv4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) noexcept;
  [[nodiscard]] bool is_ipv4() const noexcept;
  /// 0.0.0.0 or "::".
  [[nodiscard]] bool is_any() const noexcept;
  /// In 127.0.0.0/8, or "::1".
  [[nodiscard]] bool is_loopback() const noexcept;
  /// A number for traces.
  [[nodiscard]] std::uint64_t digest() const noexcept;
  [[nodiscard]] std::string text() const;

  friend auto operator<=>(const host_address&, const host_address&) = default;
};

struct place {
  int family = AF_UNSPEC;  // in which it is told: AF_INET, AF_INET6 or AF_UNIX
  host_address address;
  std::uint16_t port = 0;
  std::string path;  // of AF_UNIX; a name of the abstract namespace begins with a zero byte; empty: none

  /// Nothing for a name that is bad, or of another family than these three.
  [[nodiscard]] static std::optional<place> from_native(const sockaddr* name, socklen_t length);
  /// Writes it as getsockname(2) does.
  void to_native(sockaddr* name, socklen_t* length) const noexcept;
  [[nodiscard]] std::string text() const;

  [[nodiscard]] bool is_same_as(const place& other) const noexcept {
    return address == other.address && port == other.port && path == other.path;
  }
};

}  // namespace csp::inline v0::detail::sim
