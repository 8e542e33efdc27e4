// A blocking connection to a server on loopback, without anything of libcsp: what a test believes.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

namespace csp_test {

/// Each wait is limited to 30 seconds, many times what any answer takes; after that, and on errors, std::system_error
/// is thrown. Move-only.
class plain_client {
 public:
  /// Connects to 127.0.0.1:port. `receive_buffer`: SO_RCVBUF, when not 0.
  explicit plain_client(int port, int receive_buffer = 0);
  ~plain_client();
  plain_client(plain_client&& other) noexcept;
  plain_client& operator=(plain_client&&) = delete;

  void send(std::string_view text) const;
  /// The same, but when the peer has ended the connection: false. For peers that may refuse what is sent.
  [[nodiscard]] bool try_send(std::string_view text) const;
  /// Ends our half.
  void finish() const;
  /// Ends the connection by a reset.
  void reset();

  /// Exactly `size` bytes, or less at the end of the stream.
  [[nodiscard]] std::string receive(std::size_t size) const;
  /// Up to and with `end`, or less at the end of the stream.
  [[nodiscard]] std::string receive_until(std::string_view end) const;
  /// All until the end of the stream. A reset counts as the end, and is told.
  [[nodiscard]] std::string receive_all(bool* was_reset = nullptr) const;
  /// True when something, or the end, has come within `limit`.
  [[nodiscard]] bool readable_within(std::chrono::milliseconds limit) const;

  [[nodiscard]] int fd() const noexcept { return fd_; }

 private:
  friend class plain_listener;
  struct accepted {
    int fd;
  };
  explicit plain_client(accepted from);

  int fd_ = -1;
};

/// A listening socket on 127.0.0.1, on a port that the system picks.
class plain_listener {
 public:
  plain_listener();
  ~plain_listener();
  plain_listener(const plain_listener&) = delete;
  plain_listener& operator=(const plain_listener&) = delete;

  [[nodiscard]] int port() const noexcept { return port_; }
  /// The next connection. Several threads may wait at once.
  [[nodiscard]] plain_client accept() const;

 private:
  int fd_ = -1;
  int port_ = 0;
};

/// True when nobody listens on the port.
bool refuses_connections(int port);

}  // namespace csp_test
