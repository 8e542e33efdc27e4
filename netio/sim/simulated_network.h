// The network of a simulation: netio/network.h over the sockets of socket_table.h; and what a test sets in it.
#pragma once

#include "netio/network.h"
#include "netio/sim/socket_table.h"
#include "netio/sim/wire.h"
#include "sched/simulator.h"

#include <map>
#include <string>
#include <vector>

namespace csp::inline v0::detail::sim {

class simulated_network final : public network {
 public:
  /// Attaches itself to the simulation, and detaches itself when it goes.
  explicit simulated_network(simulation& simulated);
  ~simulated_network() override;

  // The seam.
  int make_socket(int family, int type) override;
  int make_pair(std::span<int, 2> ends) override;
  int bind(int fd, const sockaddr* name, socklen_t length) override;
  int listen(int fd, int backlog) override;
  int accept(int fd) override;
  int connect(int fd, const sockaddr* name, socklen_t length) override;
  ssize_t receive(int fd, msghdr& into) override;
  ssize_t send(int fd, const msghdr& from) override;
  int shutdown(int fd, int how) override;
  int name_of(int fd, bool peer, sockaddr* name, socklen_t* length) override;
  int set_option(int fd, int level, int name, int value) override;
  int option(int fd, int level, int name) override;
  int close(int fd) override;
  [[nodiscard]] descriptor* at(int fd) noexcept override;
  [[nodiscard]] bool is_ready(int fd, io_direction way) noexcept override;
  [[nodiscard]] const std::vector<sockaddr_storage>* look_up(std::string_view name) const override;

  // The test's part.
  wire world;
  socket_table sockets{world};
  void set_name(std::string name, std::vector<sockaddr_storage> addresses);
  /// Resets the connection of a socket; false when it is none.
  bool reset(int fd);
  /// The number by which a task tells its host (task::host).
  [[nodiscard]] std::uint32_t number_of(const host_address& host);

 private:
  [[nodiscard]] simulated_socket* find(int fd) const noexcept;
  [[nodiscard]] stream_socket* find_stream(int fd) const noexcept;
  [[nodiscard]] const host_address& caller_host() const noexcept;
  [[nodiscard]] int add(simulated_socket& fresh);
  [[nodiscard]] int connect_datagram(datagram_socket& subject, const place& target);

  simulator& simulated_;
  std::map<int, simulated_socket*> numbers_;
  std::vector<host_address> hosts_;  // by number
  std::map<std::string, std::vector<sockaddr_storage>, std::less<>> names_;
};

}  // namespace csp::inline v0::detail::sim
