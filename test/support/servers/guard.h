// What remains of a server when its test has ended, in whatever way, is removed by a guard: a shell outside of the
// test's process tree, so that not even a test runner that kills the tree leaves servers or folders behind.
#pragma once

#include <sys/types.h>

#include <string>

namespace csp_test {

/// A guarded folder. When the test lets go of the guard, by release() or by its end, the guard kills the process group
/// that was named last, runs a cleanup and removes the folder. For one thread.
class guard {
 public:
  /// Makes a folder csp-NAME-XXXXXX, where every account can go, in /dev/shm or in /tmp, and starts a guard for it.
  /// `cleanup` is shell text that runs in the folder; errors do not matter. \throws std::system_error
  guard(const std::string& name, const std::string& cleanup);
  /// release().
  ~guard();
  guard(const guard&) = delete;
  guard& operator=(const guard&) = delete;

  [[nodiscard]] const std::string& folder() const noexcept { return folder_; }
  /// Names the process group to kill. The caller keeps its leader from being reaped until release() has returned, so
  /// that the number is not reused.
  void watch(pid_t group) const;
  /// Lets the guard do its work, and waits for it, at the most 10 seconds. Again: does nothing.
  void release() noexcept;

 private:
  void start(const std::string& cleanup);

  std::string folder_;
  int connection_ = -1;  // a socket whose other end is the guard's stdin
};

}  // namespace csp_test
