// Simulated tcp and unix streams, and their listeners.
//
// Each end of a connection sends parcels (segments, ends, what the peer has read) to the other; over tcp they stand in
// line, arrive in order, each after its latency, and are sent again while a partition is in the way; over unix they are
// there at once. A writer is ahead of its reader by a window at the most. Errors come as Linux gives them.
#pragma once

#include "netio/sim/simulated_socket.h"

#include <deque>
#include <string>

namespace csp::inline v0::detail::sim {

class stream_socket final : public simulated_socket {
 public:
  using simulated_socket::simulated_socket;

  // As the system calls; outcomes. The caller has bound it where that is needed.
  int listen(int backlog);
  /// The next connection, not in the table yet; null: -EAGAIN or another outcome in `outcome`.
  [[nodiscard]] stream_socket* accept(int& outcome);
  int connect(const place& target);
  ssize_t read(const msghdr& into);
  ssize_t write(const msghdr& from);
  int shutdown(int how);
  void close();

  /// True before the first connect or listen.
  [[nodiscard]] bool is_fresh() const noexcept { return state_ == state::fresh; }
  [[nodiscard]] bool is_listening() const noexcept { return state_ == state::listening && open; }
  [[nodiscard]] bool is_connected() const noexcept { return state_ == state::connected; }
  [[nodiscard]] bool is_ready(io_direction way) const noexcept;
  /// SO_ERROR: 0 for none.
  int take_error() noexcept { return std::exchange(error_, 0); }

  /// Makes two unix streams the ends of a connection.
  static void join(stream_socket& a, stream_socket& b) noexcept;
  /// Both ends of the connection, if it is one, fail at once. What is under way is lost.
  void reset_connection();

 private:
  enum class state : std::uint8_t { fresh, listening, connecting, half_open, connected, dead };
  enum class parcel_kind : std::uint8_t {
    request,   // of a connection: SYN
    answer,    // to it: SYN and ACK
    complete,  // the client's answer to that
    data,
    credit,   // the receiver has read so much
    end,      // of what the sender writes: FIN
    hang_up,  // unix: the sender was closed
    reset,
  };
  struct parcel {
    parcel_kind kind = parcel_kind::data;
    std::size_t count = 0;  // of a credit
    std::string bytes{};
    nanos due = 0;
  };

  [[nodiscard]] bool is_local() const noexcept { return local.family == AF_UNIX; }
  int connect_locally(const place& target);
  /// Sends a parcel to the other end.
  void transmit(parcel sent);
  void plan_first();
  /// The first parcel in line comes to its end.
  void advance();
  void send_again();
  void drop_line() noexcept;
  [[nodiscard]] bool request_arrives();
  void be_refused();
  void arrive(parcel came);
  void send_reset();
  void fail(int error);
  void leave_listener() noexcept;
  [[nodiscard]] std::size_t room() const noexcept;
  void write_in_segments(std::string bytes);

  state state_ = state::fresh;
  stream_socket* other_ = nullptr;
  int error_ = 0;

  // Of a listener.
  std::size_t backlog_ = 0;
  std::size_t half_open_ = 0;           // connections that are being made
  std::deque<stream_socket*> pending_;  // and those that wait for accept
  stream_socket* listener_ = nullptr;   // of a half open end

  // What this end sends.
  std::deque<parcel> line_;
  nanos last_due_ = 0;
  std::uint64_t plan_ = 0;       // the number of the plan that counts; older ones were given up
  unsigned tries_ = 0;           // of the first in line
  std::size_t outstanding_ = 0;  // bytes written of which we do not know that they were read
  bool congested_ = false;       // the seed says that there is no room for now
  bool write_ended_ = false;

  // What has come.
  std::string received_;
  std::size_t taken_ = 0;  // of its front
  bool peer_ended_ = false;
  bool read_ended_ = false;
};

}  // namespace csp::inline v0::detail::sim
