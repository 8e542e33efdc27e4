// Listening sockets; include <libcsp/net.h>.
#pragma once

#include <libcsp/net_stream.h>

#include <sys/socket.h>
#include <sys/types.h>
#include <cstdint>
#include <string>
#include <string_view>

namespace csp::inline v0::net {

struct listen_options {
  /// Connections that may wait for accept(); the system's limit (net.core.somaxconn) holds beside it.
  int backlog = SOMAXCONN;
  /// SO_REUSEADDR: a server that starts again need not wait for the old connections' end.
  bool reuse_address = true;
  /// SO_REUSEPORT: several listeners share the port.
  bool reuse_port = false;
  /// A unix path that is there but that nobody listens to is replaced.
  bool replace_stale = true;
  /// The unix path that bind() made is removed by close(), unless something else is there by then.
  bool unlink_on_close = true;
};

/// A listening socket, tcp or unix.
class CSP_API listener : public socket {
 public:
  listener() noexcept = default;
  listener(listener&&) noexcept = default;
  listener& operator=(listener&& other) noexcept;
  ~listener() { close(); }

  /// Listens on `host`, a name or an address as text; empty means all addresses of this machine, IPv6 and IPv4. Port 0:
  /// the system chooses; see local(). Errors: of resolve(); socket(2), bind(2), listen(2).
  [[nodiscard]] static result<listener> bind(std::string_view host, std::uint16_t port,
                                             const listen_options& options = {});
  [[nodiscard]] static result<listener> bind(const address& where, const listen_options& options = {});

  /// The next connection. Several tasks may wait at once, and share the work.
  ///
  /// A connection that failed before it was taken is passed over. When the process or the system is short of file
  /// descriptors or memory (EMFILE, ENFILE, ENOBUFS, ENOMEM), it tries again after 1 ms, then after twice as long each
  /// time up to 100 ms: connections that are there go on, new ones wait in the backlog. So the only errors are
  /// std::errc::timed_out, bad_file_descriptor (closed), and of a socket that does not listen. A cancellation point.
  result<stream> accept();

  /// As socket::close(); removes the unix path.
  void close() noexcept;

 private:
  explicit listener(detail::shared_fd_owner owned) noexcept : socket(std::move(owned)) {}
  static result<listener> bind_any(std::uint16_t port, const listen_options& options);
  void remember_path(const address& where) noexcept;

  // The unix path to remove, and which file it was.
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace csp::inline v0::net
