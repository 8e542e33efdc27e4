#include "test/support/servers/process.h"

#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <optional>
#include <system_error>

namespace csp_test {
namespace {

[[noreturn]] void fail(const std::string& what) { throw std::system_error(errno, std::generic_category(), what); }

struct account {
  uid_t user;
  gid_t group;
};

/// Whom programs run as; nothing: as the caller.
std::optional<account> other_account() {
  if (::geteuid() != 0) {
    return std::nullopt;
  }
  const passwd* const nobody = ::getpwnam("nobody");
  if (nobody == nullptr) {
    fail("no account nobody");
  }
  return account{nobody->pw_uid, nobody->pw_gid};
}

std::vector<char*> pointers(const command& what) {
  std::vector<char*> result;
  for (const std::string& argument : what) {
    result.push_back(const_cast<char*>(argument.c_str()));
  }
  result.push_back(nullptr);
  return result;
}

/// In the child, between fork and exec: nothing here allocates or locks.
[[noreturn]] void become(char* const* arguments, const char* folder, const std::optional<account>& as, int log) {
  ::setpgid(0, 0);
  ::signal(SIGPIPE, SIG_DFL);  // which the test may ignore
  const int nothing = ::open("/dev/null", O_RDONLY);
  const bool placed = nothing >= 0 && ::dup2(nothing, STDIN_FILENO) == STDIN_FILENO &&
                      ::dup2(log, STDOUT_FILENO) == STDOUT_FILENO && ::dup2(log, STDERR_FILENO) == STDERR_FILENO &&
                      ::chdir(folder) == 0;
  const bool changed = !as || (::setgroups(0, nullptr) == 0 && ::setgid(as->group) == 0 && ::setuid(as->user) == 0);
  if (placed && changed) {
    ::execv(arguments[0], arguments);
  }
  ::_exit(127);
}

pid_t start(const command& what, const std::string& folder, const std::string& log) {
  const std::optional<account> as = other_account();
  const std::vector<char*> arguments = pointers(what);
  const int output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (output < 0) {
    fail(log);
  }
  const pid_t child = ::fork();
  if (child == 0) {
    become(arguments.data(), folder.c_str(), as, output);
  }
  const int error = errno;
  ::close(output);
  if (child < 0) {
    errno = error;
    fail("fork");
  }
  ::setpgid(child, child);  // both sides do it: whoever comes first, a signal to the group finds it
  return child;
}

}  // namespace

std::string find_program(const std::vector<std::string>& patterns) {
  std::string result;
  for (const std::string& pattern : patterns) {
    glob_t found{};
    if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
      for (std::size_t i = found.gl_pathc; i > 0 && result.empty(); --i) {
        if (::access(found.gl_pathv[i - 1], X_OK) == 0) {
          result = found.gl_pathv[i - 1];
        }
      }
    }
    ::globfree(&found);
    if (!result.empty()) {
      break;
    }
  }
  return result;
}

void give_to_account(const std::string& path) {
  const std::optional<account> as = other_account();
  if (as && ::chown(path.c_str(), as->user, as->group) != 0) {
    fail(path);
  }
}

process::process(const command& what, const std::string& folder, const std::string& log)
    : id_(start(what, folder, log)), pidfd_(static_cast<int>(::syscall(SYS_pidfd_open, id_, 0))) {
  if (pidfd_ < 0) {
    const int error = errno;
    send(SIGKILL);
    reap();
    errno = error;
    fail("pidfd_open");
  }
}

process::~process() {
  if (id_ > 0) {
    send(SIGKILL);
    reap();
  }
}

bool process::ended_within(std::chrono::milliseconds limit) const {
  pollfd end{pidfd_, POLLIN, 0};
  int outcome;
  do {
    outcome = ::poll(&end, 1, static_cast<int>(limit.count()));
  } while (outcome < 0 && errno == EINTR);
  return outcome > 0;
}

int process::reap() {
  int status = 0;
  while (::waitpid(id_, &status, 0) < 0 && errno == EINTR) {
  }
  id_ = -1;
  if (pidfd_ >= 0) {
    ::close(pidfd_);
    pidfd_ = -1;
  }
  return status;
}

void process::send(int signal) const noexcept { ::kill(-id_, signal); }

int run_process(const command& what, const std::string& folder, const std::string& log) {
  process running(what, folder, log);
  if (!running.ended_within(std::chrono::minutes(1))) {
    running.send(SIGKILL);
  }
  return running.reap();
}

}  // namespace csp_test
