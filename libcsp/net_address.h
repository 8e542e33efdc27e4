// Addresses of sockets, and looking them up; include <libcsp/net.h>.
#pragma once

#include <libcsp/net_result.h>

#include <sys/socket.h>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace csp::inline v0::net {

/// The address of a socket: IPv4, IPv6 or unix (a path, or a name in Linux's abstract namespace). A value.
class CSP_API address {
 public:
  /// No address.
  address() noexcept = default;

  /// "1.2.3.4", "::1", "[::1]" or "fe80::1%eth0". Never asks a server. Error: std::errc::invalid_argument.
  [[nodiscard]] static result<address> parse(std::string_view text, std::uint16_t port);
  /// A unix socket's path. Errors: std::errc::filename_too_long (from 108 bytes on), invalid_argument (empty, or with a
  /// zero byte).
  [[nodiscard]] static result<address> unix_path(std::string_view path);
  /// A name in the abstract namespace (unix(7)), without the leading zero byte. Error: filename_too_long.
  [[nodiscard]] static result<address> unix_abstract(std::string_view name);
  /// From the system's form. Error: invalid_argument (a family that is none of the three, or a bad length).
  [[nodiscard]] static result<address> from_native(const sockaddr* native, socklen_t length);

  /// AF_INET, AF_INET6, AF_UNIX; AF_UNSPEC when there is no address.
  [[nodiscard]] int family() const noexcept { return storage_.ss_family; }
  [[nodiscard]] explicit operator bool() const noexcept { return family() != AF_UNSPEC; }
  /// 0 when it has none.
  [[nodiscard]] std::uint16_t port() const noexcept;
  /// The same address with another port; itself for a unix address.
  [[nodiscard]] address with_port(std::uint16_t port) const noexcept;
  /// "1.2.3.4:80", "[::1]:80", "[fe80::1%2]:80", a path, "@name", "unix:" (without a name) or "".
  [[nodiscard]] std::string to_string() const;
  /// The path of a unix address that has one; else empty.
  [[nodiscard]] std::string path() const;

  /// The system's form.
  [[nodiscard]] const sockaddr* native() const noexcept { return reinterpret_cast<const sockaddr*>(&storage_); }
  [[nodiscard]] socklen_t native_length() const noexcept { return length_; }

  /// Equal when they name the same place (an IPv6 flow label is no part of that).
  friend CSP_API bool operator==(const address& a, const address& b) noexcept;

 private:
  sockaddr_storage storage_{};
  socklen_t length_ = 0;
};

/// The addresses of `host` (a name, or an address as text), with the port of `service` (a number, or a name in
/// services(5)), in the order in which they should be tried (RFC 6724). An empty host means this machine itself.
///
/// Numbers are answered at once. A name is looked up by getaddrinfo(3) on another thread while the task waits; such
/// look-ups never hold up csp::blocking. The look-up itself cannot be interrupted: it ends in the background when the
/// task is cancelled or `deadline` (steady clock) comes first. A plain thread calls getaddrinfo itself and waits for
/// its end. Errors: those of resolver_category(), std::errc::timed_out. A cancellation point.
/// In a simulation, names are those that csp::testing::network was told; others fail it.
[[nodiscard]] CSP_API result<std::vector<address>> resolve(
    std::string_view host, std::string_view service,
    std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max());
[[nodiscard]] CSP_API result<std::vector<address>> resolve(
    std::string_view host, std::uint16_t port,
    std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max());

}  // namespace csp::inline v0::net
