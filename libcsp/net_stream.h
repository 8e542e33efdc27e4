// Connections: tcp and unix stream sockets; include <libcsp/net.h>.
#pragma once

#include <libcsp/net_socket.h>

#include <sys/uio.h>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace csp::inline v0::net {

/// A connection, tcp or unix. A reader and a writer may be at work at once; several readers, or several writers, take
/// turns in no promised order. Sends small messages at once (TCP_NODELAY). Never raises SIGPIPE.
///
/// All operations that transfer data wait as long as needed, up to the deadline; they are cancellation points (throw
/// csp::canceled). Errors: std::errc::timed_out, std::errc::bad_file_descriptor (closed), and what the system says
/// (recv(2), send(2)), such as connection_reset or broken_pipe.
class CSP_API stream : public socket {
 public:
  stream() noexcept = default;
  /// Takes over a connected stream socket from elsewhere and makes it non-blocking. It must not be shared with other
  /// processes that use it in blocking mode. On an error `fd` stays the caller's.
  [[nodiscard]] static result<stream> adopt(int fd);

  /// Reads at least one byte and up to `size`. 0: the peer has ended the stream (or `size` is 0).
  result<std::size_t> read(void* data, std::size_t size);
  /// The same into several pieces; more than 1024 (IOV_MAX) are for the next call.
  result<std::size_t> readv(std::span<const iovec> pieces);
  /// Reads exactly `size` bytes; an end before that is errc::end_of_stream. `transferred`, if given, tells how many
  /// bytes came, also on an error or a throw.
  [[nodiscard]] std::error_code read_exactly(void* data, std::size_t size, std::size_t* transferred = nullptr);

  /// Writes at least one byte, as many as the system takes at once, and says how many.
  result<std::size_t> write(const void* data, std::size_t size);
  result<std::size_t> write(std::string_view text) { return write(text.data(), text.size()); }
  result<std::size_t> writev(std::span<const iovec> pieces);
  /// Writes all. `transferred`, if given, tells how many bytes the system took, also on an error or a throw.
  [[nodiscard]] std::error_code write_all(const void* data, std::size_t size, std::size_t* transferred = nullptr);
  [[nodiscard]] std::error_code write_all(std::string_view text, std::size_t* transferred = nullptr) {
    return write_all(text.data(), text.size(), transferred);
  }

  /// Ends one half: after `write` the peer reads the end of the stream, after `read` we do. shutdown(2).
  std::error_code shutdown(direction way) noexcept;

  /// The address of the other end; none when closed.
  [[nodiscard]] address peer() const { return peer_address(); }
  /// TCP_NODELAY (tcp(7)): true, the default, sends small messages at once.
  std::error_code set_no_delay(bool on) noexcept;
  /// SO_KEEPALIVE (socket(7)), off by default.
  std::error_code set_keep_alive(bool on) noexcept;

  /// For the library: takes over an open descriptor.
  explicit stream(detail::shared_fd_owner owned) noexcept : socket(std::move(owned)) {}
};

/// Two connected unix streams. Errors: socketpair(2).
[[nodiscard]] CSP_API result<std::pair<stream, stream>> pair();

/// How connect() goes about it.
struct connect_options {
  /// For all of it, the look-up included.
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  /// When an attempt has not answered for so long, the next address is tried beside it (RFC 8305, section 5).
  std::chrono::milliseconds attempt_delay{250};
};

/// Connects to `host` (a name, or an address as text). All its addresses are tried, families in turn, each as soon as
/// the one before has failed or has not answered for a while; the first connection wins, the other attempts are closed
/// (RFC 8305). Errors: of resolve(); std::errc::timed_out; what the last failed attempt said. A cancellation point.
[[nodiscard]] CSP_API result<stream> connect(std::string_view host, std::string_view service,
                                             const connect_options& options = {});
[[nodiscard]] CSP_API result<stream> connect(std::string_view host, std::uint16_t port,
                                             const connect_options& options = {});
/// The same with addresses that are known. Error: std::errc::invalid_argument when there is none.
[[nodiscard]] CSP_API result<stream> connect(std::span<const address> addresses, const connect_options& options = {});
/// Connects to one address, tcp or unix. A unix listener whose backlog is full is asked again and again.
[[nodiscard]] CSP_API result<stream> connect(const address& peer, const connect_options& options = {});

}  // namespace csp::inline v0::net
