// File descriptors for probes: owners, connected pairs of each kind, and what can be told of them as text.
#pragma once

#include "test/fidelity/frame.h"

#include <string>
#include <string_view>
#include <utility>

#include <sys/socket.h>
#include <sys/types.h>

namespace fidelity {

/// Owns a file descriptor; converts to its number, so that calls read as they do in C.
class owned_fd {
 public:
  owned_fd() noexcept = default;
  explicit owned_fd(int number) noexcept : number_(number) {}
  owned_fd(owned_fd&& other) noexcept : number_(other.release()) {}
  owned_fd& operator=(owned_fd&& other) noexcept {
    if (this != &other) {
      reset();
      number_ = other.release();
    }
    return *this;
  }
  ~owned_fd() { reset(); }

  operator int() const noexcept { return number_; }  // NOLINT(google-explicit-constructor)
  int release() noexcept { return std::exchange(number_, -1); }
  void reset() noexcept;

 private:
  int number_ = -1;
};

/// The probe works on the near end, its peer on the far one. For pipes the direction is the maker's.
struct fd_pair {
  owned_fd near;
  owned_fd far;
};

enum class kind { tcp4, tcp6, unix_stream, unix_seqpacket, unix_dgram, udp4, udp6, pipe, fifo, tty };

const char* name_of(kind of_pair);
[[nodiscard]] bool is_socket(kind of_pair);
/// Keeps the borders of messages.
[[nodiscard]] bool is_message(kind of_pair);
/// Reports the end of the other side.
[[nodiscard]] bool has_end(kind of_pair);

/// A connected pair whose near end reads.
fd_pair reading_pair(kind of_pair);
/// A connected pair whose near end writes.
fd_pair writing_pair(kind of_pair);
fd_pair socket_pair(int type, int family = AF_UNIX);
fd_pair tcp_pair(int family = AF_INET);
/// A pair of connected tcp sockets with small buffers, or of `type` in AF_UNIX, or a pipe: the near end writes.
fd_pair tight_pair(kind of_pair);

/// A listening tcp socket on loopback.
owned_fd tcp_listener(int family = AF_INET, int backlog = 8, int flags = 0);
owned_fd udp_socket(int family = AF_INET);

/// A socket address with its length.
struct address {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);
  [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};
address name_of_socket(int fd);
address name_of_peer(int fd);
address unix_address(const std::string& path);
/// An address on loopback where nobody listens.
address nobody(int family = AF_INET);
/// The loopback address, with port 0.
address loopback(int family);
/// Host and length; the port only as what it is to `known`.
std::string address_text(const address& of, const address* known = nullptr);

/// A folder of its own under the system's for temporary files; removed with its files.
class temporary_folder {
 public:
  explicit temporary_folder(const char* parent = "/tmp");
  ~temporary_folder();
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;
  [[nodiscard]] std::string file(std::string_view name) const { return path_ + '/' + std::string(name); }

 private:
  std::string path_;
};
/// A file that holds `content`, opened for reading and writing at its start.
owned_fd file_with(const temporary_folder& folder, std::string_view content, const char* name = "file");

/// The peer's tools: all of `bytes` written; `size` bytes, or what came before the end, read.
bool put(int fd, std::string_view bytes);
std::string get(int fd, std::size_t size);

/// `value`, or std::system_error when it says that a call failed which a probe needs but does not test.
int must(int value, const char* what);

/// The open file's flags and the descriptor's, such as "rw nonblock cloexec", or the error.
std::string flags_text(int fd);
/// SO_LINGER with zero: the next close resets the connection.
void linger_zero(int fd);
/// SO_RCVTIMEO or SO_SNDTIMEO.
void set_timeout(int fd, int option, long seconds, long microseconds);
std::string timeout_text(int fd, int option);
/// An address at which no byte can be read or written.
void* bad_address();
/// A number that is no open file descriptor's.
constexpr int far_too_high_fd = 1 << 20;

}  // namespace fidelity
