#include "test/support/servers/guard.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace csp_test {
namespace {

// $1 is the folder, $2 the cleanup. Processes that leave the group may write on for a moment, so removing is tried
// again for two seconds.
constexpr char script[] = R"(
trap '' HUP INT TERM
cd "$1" || exit
group=
while read -r line; do group=$line; done
[ -z "$group" ] || kill -s KILL -- "-$group"
eval "$2"
cd /
tries=0
until rm -rf -- "$1" || [ "$tries" -ge 40 ]; do tries=$((tries + 1)); sleep 0.05; done
)";

[[noreturn]] void fail(const std::string& what) { throw std::system_error(errno, std::generic_category(), what); }

/// Where folders are made: in memory when there is room for several databases (about 40 MB each), since other programs
/// of a busy machine make its disks slow; the paths are short, because the paths of unix sockets are.
std::string place() {
  constexpr char memory[] = "/dev/shm";
  constexpr unsigned long room = 500'000'000;
  struct statvfs found {};
  const bool usable =
      ::access(memory, W_OK | X_OK) == 0 && ::statvfs(memory, &found) == 0 && found.f_bavail * found.f_frsize >= room;
  return usable ? memory : "/tmp";
}

/// In the child, between fork and exec. setsid --fork makes the guard a child of nobody here.
[[noreturn]] void become_guard(int connection, const char* folder, const char* cleanup) {
  const int nowhere = ::open("/dev/null", O_WRONLY);
  ::dup2(connection, STDIN_FILENO);
  ::dup2(nowhere, STDOUT_FILENO);
  ::dup2(nowhere, STDERR_FILENO);
  ::execlp("setsid", "setsid", "--fork", "sh", "-c", script, "guard", folder, cleanup, static_cast<char*>(nullptr));
  ::_exit(127);
}

}  // namespace

guard::guard(const std::string& name, const std::string& cleanup) : folder_(place() + "/csp-" + name + "-XXXXXX") {
  if (::mkdtemp(folder_.data()) == nullptr || ::chmod(folder_.c_str(), 0755) != 0) {
    fail(folder_);
  }
  try {
    start(cleanup);
  } catch (...) {
    ::rmdir(folder_.c_str());
    throw;
  }
}

guard::~guard() { release(); }

void guard::start(const std::string& cleanup) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    fail("socketpair");
  }
  const pid_t child = ::fork();
  if (child == 0) {
    become_guard(ends[1], folder_.c_str(), cleanup.c_str());
  }
  ::close(ends[1]);
  connection_ = ends[0];
  int status = -1;
  if (child < 0 || ::waitpid(child, &status, 0) != child || status != 0) {
    ::close(connection_);
    errno = child < 0 ? errno : ECHILD;
    fail("setsid --fork sh");
  }
}

void guard::watch(pid_t group) const {
  const std::string line = std::to_string(group) + "\n";
  if (::send(connection_, line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size())) {
    fail("guard");
  }
}

void guard::release() noexcept {
  if (connection_ < 0) {
    return;
  }
  const timeval limit{10, 0};
  ::setsockopt(connection_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::shutdown(connection_, SHUT_WR);
  char nothing;
  [[maybe_unused]] const ssize_t end = ::recv(connection_, &nothing, 1, 0);  // the guard's end closes the other side
  ::close(connection_);
  connection_ = -1;
}

}  // namespace csp_test
