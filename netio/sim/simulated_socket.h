// What all simulated sockets have in common. They belong to a socket_table, and stay as long as it does, closed or not:
// what is under way may still name them.
#pragma once

#include "netio/netpoller.h"
#include "netio/sim/place.h"
#include "netio/sim/wire.h"

#include <sys/uio.h>
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <string_view>
#include <utility>

namespace csp::inline v0::detail::sim {

class socket_table;

struct simulated_socket {
  simulated_socket(int kind, std::uint64_t identity, socket_table& owner, wire& around) noexcept
      : type(kind), id(identity), table(owner), world(around) {
    // Its edges come from us, from the first on.
    entry.wanted[0].store(true, std::memory_order_relaxed);
    entry.wanted[1].store(true, std::memory_order_relaxed);
  }
  simulated_socket(const simulated_socket&) = delete;
  simulated_socket& operator=(const simulated_socket&) = delete;

  const int type;          // SOCK_STREAM or SOCK_DGRAM
  const std::uint64_t id;  // from 1 on, in the order of their making
  socket_table& table;
  wire& world;
  descriptor entry;    // who waits for it
  host_address host;   // where it is; set when it is bound
  place local;         // family from the start; the rest when it is bound
  place peer;          // of a connected one
  bool open = true;    // not closed by its owner
  bool bound = false;  // has its own port or path, which nobody else can bind meanwhile
  std::map<std::pair<int, int>, int> options;

  [[nodiscard]] int option(int level, int name) const {
    const auto found = options.find({level, name});
    return found != options.end() ? found->second : 0;
  }
  void signal(io_direction way) noexcept { entry.side(way).signal(); }
  /// After an end or an error: from now on a short read does not mean that nothing is left (netio/io.h).
  void signal_unusual() noexcept {
    entry.unusual.store(true, std::memory_order_relaxed);
    entry.in.signal();
    entry.out.signal();
  }

 protected:
  ~simulated_socket() = default;
};

[[nodiscard]] inline std::size_t size_of(const msghdr& pieces) noexcept {
  std::size_t size = 0;
  for (std::size_t i = 0; i < pieces.msg_iovlen; ++i) size += pieces.msg_iov[i].iov_len;
  return size;
}

/// Copies into the pieces as much as fits; how much that was.
inline std::size_t scatter(std::string_view bytes, const msghdr& pieces) noexcept {
  std::size_t done = 0;
  for (std::size_t i = 0; i < pieces.msg_iovlen && done < bytes.size(); ++i) {
    const std::size_t part = std::min(pieces.msg_iov[i].iov_len, bytes.size() - done);
    if (part != 0) std::memcpy(pieces.msg_iov[i].iov_base, bytes.data() + done, part);
    done += part;
  }
  return done;
}

/// The first `size` bytes of the pieces.
[[nodiscard]] inline std::string gather(const msghdr& pieces, std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < pieces.msg_iovlen && bytes.size() < size; ++i) {
    bytes.append(static_cast<const char*>(pieces.msg_iov[i].iov_base),
                 std::min(pieces.msg_iov[i].iov_len, size - bytes.size()));
  }
  return bytes;
}

}  // namespace csp::inline v0::detail::sim
