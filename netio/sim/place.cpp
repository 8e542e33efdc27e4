#include "netio/sim/place.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <algorithm>
#include <cstddef>
#include <cstring>

namespace csp::inline v0::detail::sim {
namespace {

constexpr std::size_t ipv4_at = 12;  // where an IPv4 address lies in the IPv6 address that stands for it
constexpr std::size_t path_offset = offsetof(sockaddr_un, sun_path);

/// Copies as much as there is room for, and tells the whole length.
void copy_name(const void* native, std::size_t size, sockaddr* name, socklen_t* length) noexcept {
  std::memcpy(name, native, std::min<std::size_t>(size, *length));
  *length = static_cast<socklen_t>(size);
}

[[nodiscard]] std::string unix_name(const sockaddr* name, std::size_t length) {
  if (length <= path_offset) {
    return {};
  }
  const std::string bytes(reinterpret_cast<const char*>(name) + path_offset, length - path_offset);
  return bytes.front() == '\0' ? bytes : bytes.substr(0, bytes.find('\0'));
}

}  // namespace

host_address host_address::ipv4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) noexcept {
  return {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}};
}

bool host_address::is_ipv4() const noexcept {
  const host_address prefix = ipv4(0, 0, 0, 0);
  return std::equal(bytes.begin(), bytes.begin() + ipv4_at, prefix.bytes.begin());
}

bool host_address::is_any() const noexcept { return *this == host_address() || *this == ipv4(0, 0, 0, 0); }

bool host_address::is_loopback() const noexcept {
  constexpr std::uint8_t loopback_net = 127;
  host_address one;
  one.bytes.back() = 1;
  return *this == one || (is_ipv4() && bytes[ipv4_at] == loopback_net);
}

std::uint64_t host_address::digest() const noexcept {
  std::uint64_t halves[2];
  std::memcpy(halves, bytes.data(), sizeof halves);
  return halves[0] ^ halves[1];
}

std::string host_address::text() const {
  char buffer[INET6_ADDRSTRLEN] = {};
  return is_ipv4() ? inet_ntop(AF_INET, bytes.data() + ipv4_at, buffer, sizeof buffer)
                   : inet_ntop(AF_INET6, bytes.data(), buffer, sizeof buffer);
}

std::optional<place> place::from_native(const sockaddr* name, socklen_t length) {
  place made;
  if (name == nullptr || length < sizeof name->sa_family) {
    return std::nullopt;
  }
  made.family = name->sa_family;
  if (made.family == AF_INET && length >= sizeof(sockaddr_in)) {
    sockaddr_in native{};
    std::memcpy(&native, name, sizeof native);
    made.address = host_address::ipv4(0, 0, 0, 0);
    std::memcpy(made.address.bytes.data() + ipv4_at, &native.sin_addr, sizeof native.sin_addr);
    made.port = ntohs(native.sin_port);
    return made;
  }
  if (made.family == AF_INET6 && length >= sizeof(sockaddr_in6)) {
    sockaddr_in6 native{};
    std::memcpy(&native, name, sizeof native);
    std::memcpy(made.address.bytes.data(), &native.sin6_addr, sizeof native.sin6_addr);
    made.port = ntohs(native.sin6_port);
    return made;
  }
  if (made.family == AF_UNIX) {
    made.path = unix_name(name, length);
    return made;
  }
  return std::nullopt;
}

void place::to_native(sockaddr* name, socklen_t* length) const noexcept {
  if (family == AF_INET) {
    sockaddr_in native{};
    native.sin_family = AF_INET;
    native.sin_port = htons(port);
    std::memcpy(&native.sin_addr, address.bytes.data() + ipv4_at, sizeof native.sin_addr);
    copy_name(&native, sizeof native, name, length);
  } else if (family == AF_INET6) {
    sockaddr_in6 native{};
    native.sin6_family = AF_INET6;
    native.sin6_port = htons(port);
    std::memcpy(&native.sin6_addr, address.bytes.data(), sizeof native.sin6_addr);
    copy_name(&native, sizeof native, name, length);
  } else {
    sockaddr_un native{};
    native.sun_family = AF_UNIX;
    const std::size_t size = std::min(path.size(), sizeof native.sun_path);
    std::memcpy(native.sun_path, path.data(), size);
    const bool is_file = size != 0 && path.front() != '\0' && size < sizeof native.sun_path;
    copy_name(&native, path_offset + size + (is_file ? 1 : 0), name, length);
  }
}

std::string place::text() const {
  if (family == AF_UNIX) {
    return path.empty() ? "unix" : path.front() == '\0' ? std::string("@").append(path, 1) : path;
  }
  return (address.is_ipv4() ? address.text() : std::string("[").append(address.text()).append("]")) + ":" +
         std::to_string(port);
}

}  // namespace csp::inline v0::detail::sim
