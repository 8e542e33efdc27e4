// Servers that never answer.
#pragma once

#include <vector>

namespace csp_test {

/// How far a client comes.
enum class black_hole_kind {
  silent,  ///< it is connected, its bytes are taken, nothing comes back
  full,    ///< it is not even connected: the queue of connections is full and the kernel drops what asks for one
};

/// A listening socket on 127.0.0.1 that nobody serves. Made and destroyed by a plain thread.
class black_hole {
 public:
  /// \throws std::system_error
  explicit black_hole(black_hole_kind kind);
  ~black_hole();
  black_hole(const black_hole&) = delete;
  black_hole& operator=(const black_hole&) = delete;

  [[nodiscard]] int port() const noexcept { return port_; }

 private:
  int listener_;
  int port_ = 0;
  std::vector<int> fillers_;  // connections that fill the queue
};

}  // namespace csp_test
