// Programs that a test starts: found, run as an account without rights, watched and ended.
//
// A process leads a process group of its own, so that a signal reaches its children as well (those that do not leave
// the group). Its stdin is empty, its stdout and stderr go to a log file. For plain threads outside of csp::run, except
// where a function says more.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

namespace csp_test {

/// A program's path and its arguments.
using command = std::vector<std::string>;

/// The first executable file among the patterns, which are those of glob(7), by their order and then the highest name
/// (so the latest version); empty when there is none.
std::string find_program(const std::vector<std::string>& patterns);

/// Gives a file or folder to the account that start_process uses. \throws std::system_error
void give_to_account(const std::string& path);

/// A running program, or one that has ended and was not reaped yet. Not thread-safe but for send() and
/// ended_within().
class process {
 public:
  /// Starts `what` in `folder`; its output is appended to the file `log`. When the caller is root it runs as `nobody`,
  /// since servers refuse root. Does not tell whether the program could be run: then it ends with status 127.
  /// \throws std::system_error when there is no process or no log
  process(const command& what, const std::string& folder, const std::string& log);
  /// Kills the group, if the process was not reaped, and reaps it.
  ~process();
  process(const process&) = delete;
  process& operator=(const process&) = delete;

  [[nodiscard]] pid_t id() const noexcept { return id_; }
  /// Waits for the end, at the most for `limit`; true when it has ended. Does not reap. Any task or thread.
  [[nodiscard]] bool ended_within(std::chrono::milliseconds limit) const;
  /// Waits for the end; returns the status of waitpid(2). Once.
  int reap();
  /// Sends a signal to the group. Before reap(); any task or thread.
  void send(int signal) const noexcept;

 private:
  pid_t id_;
  int pidfd_;  // becomes readable at the end, see pidfd_open(2)
};

/// Runs a program to its end and returns its status as of waitpid(2); kills it after a minute, many times what the
/// preparation of a server takes. \throws std::system_error as process
int run_process(const command& what, const std::string& folder, const std::string& log);

}  // namespace csp_test
