// Simulated datagram sockets. A datagram is lost, or doubled, or held back, as the seed chooses by the rates that the
// test has set; else those of one socket arrive in order, each after its latency.
#pragma once

#include "netio/sim/simulated_socket.h"

#include <deque>
#include <string>

namespace csp::inline v0::detail::sim {

class datagram_socket final : public simulated_socket {
 public:
  using simulated_socket::simulated_socket;

  // As the system calls; outcomes. The caller has bound it.
  int connect(const place& target) noexcept;
  /// `target`: null, or where the message's name says.
  ssize_t send(const msghdr& from, const place* target);
  ssize_t receive(msghdr& into);
  void close() noexcept;

  [[nodiscard]] bool is_ready(io_direction way) const noexcept {
    return way == io_direction::write || !received_.empty();
  }

 private:
  struct datagram {
    std::uint64_t sender = 0;
    host_address from_host;
    place from;
    place to;
    std::string bytes;
  };

  void send_copy(const datagram& sent);
  static void travel(socket_table& sockets, wire& world, const datagram& came);
  void arrive(const datagram& came);

  nanos last_due_ = 0;
  std::deque<datagram> received_;
  std::size_t received_bytes_ = 0;
};

}  // namespace csp::inline v0::detail::sim
