#include <libcsp/net_address.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <charconv>
#include <cstring>

namespace csp::inline v0::net {
namespace {

constexpr std::size_t path_offset = offsetof(sockaddr_un, sun_path);

template <class Native>
[[nodiscard]] Native as(const address& from) noexcept {
  Native native{};
  std::memcpy(&native, from.native(), std::min<std::size_t>(sizeof native, from.native_length()));
  return native;
}

[[nodiscard]] std::error_code error(std::errc value) noexcept { return std::make_error_code(value); }

/// The scope of a link-local address: an interface's name or number.
[[nodiscard]] bool parse_scope(const std::string& text, std::uint32_t& scope) noexcept {
  const char* const end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, scope);
  if (failure == std::errc{} && stop == end) {
    return true;
  }
  scope = if_nametoindex(text.c_str());
  return scope != 0;
}

/// What stands in sun_path.
[[nodiscard]] std::string_view unix_name(const address& from) noexcept {
  const auto length = static_cast<std::size_t>(from.native_length());
  const char* const text = reinterpret_cast<const char*>(from.native()) + path_offset;
  if (length <= path_offset) {
    return {};
  }
  std::string_view name(text, length - path_offset);
  // A path ends at its zero byte; a name in the abstract namespace begins with one and may hold more.
  return name.front() == '\0' ? name : name.substr(0, name.find('\0'));
}

[[nodiscard]] result<address> unix_address(std::string_view bytes) {
  sockaddr_un native{};
  if (bytes.size() > sizeof native.sun_path) {
    return error(std::errc::filename_too_long);
  }
  native.sun_family = AF_UNIX;
  std::memcpy(native.sun_path, bytes.data(), bytes.size());
  return address::from_native(reinterpret_cast<const sockaddr*>(&native),
                              static_cast<socklen_t>(path_offset + bytes.size()));
}

}  // namespace

result<address> address::parse(std::string_view text, std::uint16_t port) {
  if (text.size() > 2 && text.front() == '[' && text.back() == ']') {
    text = text.substr(1, text.size() - 2);
  }
  const std::size_t percent = text.find('%');
  const std::string plain(text.substr(0, percent));
  if (text.find('\0') != std::string_view::npos) {
    return error(std::errc::invalid_argument);
  }
  sockaddr_in four{};
  if (percent == std::string_view::npos && inet_pton(AF_INET, plain.c_str(), &four.sin_addr) == 1) {
    four.sin_family = AF_INET;
    four.sin_port = htons(port);
    return from_native(reinterpret_cast<const sockaddr*>(&four), sizeof four);
  }
  sockaddr_in6 six{};
  if (inet_pton(AF_INET6, plain.c_str(), &six.sin6_addr) != 1) {
    return error(std::errc::invalid_argument);
  }
  if (percent != std::string_view::npos && !parse_scope(std::string(text.substr(percent + 1)), six.sin6_scope_id)) {
    return error(std::errc::invalid_argument);
  }
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(port);
  return from_native(reinterpret_cast<const sockaddr*>(&six), sizeof six);
}

result<address> address::unix_path(std::string_view path) {
  if (path.empty() || path.find('\0') != std::string_view::npos) {
    return error(std::errc::invalid_argument);
  }
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return error(std::errc::filename_too_long);
  }
  std::string bytes(path);
  bytes += '\0';
  return unix_address(bytes);
}

result<address> address::unix_abstract(std::string_view name) {
  std::string bytes(1, '\0');
  bytes += name;
  return unix_address(bytes);
}

result<address> address::from_native(const sockaddr* native, socklen_t length) {
  const auto bytes = static_cast<std::size_t>(length);
  const int family = native != nullptr && bytes >= sizeof native->sa_family ? native->sa_family : AF_UNSPEC;
  const bool known = (family == AF_INET && bytes >= sizeof(sockaddr_in)) ||
                     (family == AF_INET6 && bytes >= sizeof(sockaddr_in6)) ||
                     (family == AF_UNIX && bytes <= sizeof(sockaddr_un) + 1);
  if (!known || bytes > sizeof(sockaddr_storage)) {
    return error(std::errc::invalid_argument);
  }
  address made;
  std::memcpy(&made.storage_, native, bytes);
  made.length_ = length;
  return made;
}

std::uint16_t address::port() const noexcept {
  switch (family()) {
    case AF_INET:
      return ntohs(as<sockaddr_in>(*this).sin_port);
    case AF_INET6:
      return ntohs(as<sockaddr_in6>(*this).sin6_port);
    default:
      return 0;
  }
}

address address::with_port(std::uint16_t port) const noexcept {
  address changed = *this;
  if (family() == AF_INET) {
    reinterpret_cast<sockaddr_in*>(&changed.storage_)->sin_port = htons(port);
  } else if (family() == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(&changed.storage_)->sin6_port = htons(port);
  }
  return changed;
}

std::string address::path() const {
  const std::string_view name = family() == AF_UNIX ? unix_name(*this) : std::string_view{};
  return !name.empty() && name.front() != '\0' ? std::string(name) : std::string();
}

std::string address::to_string() const {
  char text[INET6_ADDRSTRLEN] = {};
  std::string made;
  switch (family()) {
    case AF_INET: {
      const auto four = as<sockaddr_in>(*this);
      made.append(inet_ntop(AF_INET, &four.sin_addr, text, sizeof text));
      made.append(1, ':').append(std::to_string(port()));
      break;
    }
    case AF_INET6: {
      const auto six = as<sockaddr_in6>(*this);
      made.append(1, '[').append(inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof text));
      if (six.sin6_scope_id != 0) {
        made.append(1, '%').append(std::to_string(six.sin6_scope_id));
      }
      made.append("]:").append(std::to_string(port()));
      break;
    }
    case AF_UNIX: {
      const std::string_view name = unix_name(*this);
      made = name.empty() ? "unix:" : name;
      if (made.front() == '\0') {
        made.front() = '@';
      }
      break;
    }
    default:
      break;
  }
  return made;
}

bool operator==(const address& a, const address& b) noexcept {
  if (a.family() != b.family()) {
    return false;
  }
  switch (a.family()) {
    case AF_INET:
      return a.port() == b.port() && as<sockaddr_in>(a).sin_addr.s_addr == as<sockaddr_in>(b).sin_addr.s_addr;
    case AF_INET6: {
      const auto first = as<sockaddr_in6>(a);
      const auto second = as<sockaddr_in6>(b);
      return first.sin6_port == second.sin6_port && first.sin6_scope_id == second.sin6_scope_id &&
             std::memcmp(&first.sin6_addr, &second.sin6_addr, sizeof first.sin6_addr) == 0;
    }
    case AF_UNIX:
      return unix_name(a) == unix_name(b);
    default:
      return true;
  }
}

}  // namespace csp::inline v0::net
