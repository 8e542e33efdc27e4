// A program of ours that serves on loopback, started and ended by a test.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace csp_test {

/// The path of an example or test program of this build.
std::string example_path(const std::string& name);

/// A program that has run to its end.
struct finished {
  int status = 0;      ///< of waitpid(2)
  std::string output;  ///< stdout and stderr
};
/// Runs `command`, a line for the shell. \throws std::system_error
finished run_to_end(const std::string& command);

/// A running program that prints "listening on 127.0.0.1:PORT" as its first line. It dies with the thread that made it.
/// For plain threads outside of csp::run.
class service {
 public:
  using environment = std::vector<std::pair<std::string, std::string>>;

  /// Starts `command` and waits until it listens. \throws std::runtime_error when it does not within 30 seconds
  explicit service(const std::vector<std::string>& command, const environment& more = {});
  /// Kills it, when it has not ended.
  ~service();
  service(const service&) = delete;
  service& operator=(const service&) = delete;

  [[nodiscard]] int port() const noexcept { return port_; }
  [[nodiscard]] pid_t id() const noexcept { return id_; }
  void send(int signal) const noexcept;
  /// Waits until it has ended, and kills it after `limit`. Its status as waitpid(2) gives it. Once.
  int end(std::chrono::milliseconds limit = std::chrono::seconds(30));
  /// How many file descriptors it has open, and how much processor time it has used. While it runs.
  [[nodiscard]] std::size_t descriptors() const;
  [[nodiscard]] std::chrono::milliseconds processor_time() const;
  /// Waits, at the most for `limit`, until it has no more, or no less, than `count` descriptors.
  [[nodiscard]] bool has_at_most(std::size_t count, std::chrono::milliseconds limit) const;
  [[nodiscard]] bool has_at_least(std::size_t count, std::chrono::milliseconds limit) const;

  /// What it has written on stderr so far.
  [[nodiscard]] std::string errors() const;
  /// What it has written on stdout after the first line; after end().
  [[nodiscard]] std::string output();

 private:
  void read_port();
  template <class Holds>
  [[nodiscard]] static bool await(Holds holds, std::chrono::milliseconds limit);

  pid_t id_ = -1;
  int output_ = -1;  // a pipe
  int errors_ = -1;  // a file in memory
  int port_ = 0;
};

}  // namespace csp_test
