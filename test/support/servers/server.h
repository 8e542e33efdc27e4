// A real server for a test: a program on loopback with a folder of its own, on a port that the system picked, and
// nothing of it is left when the test has ended.
#pragma once

#include "test/support/servers/guard.h"
#include "test/support/servers/process.h"

#include <functional>
#include <memory>
#include <string>

namespace csp_test {

class server;

/// What differs between servers.
struct server_plan {
  /// Of the folder, and in messages.
  std::string name;
  /// Fills the folder, once, before the first start: with server::write and server::run.
  std::function<void(server&)> prepare;
  /// The program that serves 127.0.0.1:port(), for which it stays in the foreground. Called for every start, since a
  /// port may turn out to be taken; then the program must end.
  std::function<command(server&)> serve;
  /// True when it takes requests. Called again and again. A good sign is what nobody else can give: a unix socket.
  std::function<bool(server&)> ready;
  /// The signal that ends it.
  int stop_signal = 0;
  /// Shell text that removes what an end by SIGKILL leaves outside of the folder; runs there.
  std::string cleanup{};
};

/// A running server. Made and destroyed by a plain thread outside of csp::run.
class server {
 public:
  /// Prepares and starts it, and waits until it is ready. \throws std::runtime_error with the end of its log when it
  /// does not start within 30 seconds or on none of five ports; std::system_error
  explicit server(server_plan plan);
  /// Stops it: by its signal, and by SIGKILL when it has not ended after 10 seconds. Removes the folder.
  ~server();
  server(const server&) = delete;
  server& operator=(const server&) = delete;

  [[nodiscard]] const std::string& folder() const noexcept { return guard_.folder(); }
  [[nodiscard]] int port() const noexcept { return port_; }
  /// Kills it as it stands, and waits until it is gone and its port is closed. Any task or thread.
  void kill() const;

  /// For plans: writes a file that the server's account owns. \throws std::system_error
  void write(const std::string& file, const std::string& text) const;
  /// For plans: runs a program in the folder as the server's account. \throws std::runtime_error when it fails
  void run(const command& what) const;
  /// For plans: the same, but tells whether it succeeded.
  [[nodiscard]] bool try_run(const command& what) const;
  /// For plans: true when somebody listens on a unix socket in the folder.
  [[nodiscard]] bool listens_on(const std::string& socket) const;

 private:
  [[nodiscard]] bool start();
  void stop() noexcept;
  [[nodiscard]] std::string log() const { return folder() + "/log"; }
  [[noreturn]] void fail(const std::string& what) const;

  server_plan plan_;
  int port_ = 0;
  std::unique_ptr<process> process_;  // reaped after the guard has gone, see guard::watch
  guard guard_;
};

}  // namespace csp_test
