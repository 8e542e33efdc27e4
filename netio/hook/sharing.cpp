// How descriptors come into the hands of other processes: programs that are started, and messages that carry them. Here
// the calls are made as they are; what is noted is that what was known of O_NONBLOCK may no longer hold (managed.h).
// fork tells by itself (pthread_atfork), and vfork has a file of its own.
#include "netio/hook/define.h"
#include "netio/hook/managed.h"
#include "netio/real.h"

#include <spawn.h>
#include <sys/socket.h>
#include <cstdio>
#include <cstdlib>

namespace csp::inline v0::detail::hook {

bool may_carry_descriptors(int fd, std::size_t control_length) noexcept {
  if (control_length == 0) {
    return false;
  }
  const errno_guard keep;
  int domain = 0;
  socklen_t size = sizeof domain;
  return real::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

namespace {

/// Around a call that starts a process: noted before it, for what that does at once, and after it, for what was made
/// between.
class sharing_call {
 public:
  sharing_call() noexcept { note_sharing(); }
  ~sharing_call() { note_sharing(); }
  sharing_call(const sharing_call&) = delete;
  sharing_call& operator=(const sharing_call&) = delete;
};

}  // namespace
}  // namespace csp::inline v0::detail::hook

namespace hook = csp::detail::hook;
namespace real = csp::detail::real;

extern "C" {

CSP_API int posix_spawn(pid_t* process, const char* path, const posix_spawn_file_actions_t* actions,
                        const posix_spawnattr_t* attributes, char* const* arguments, char* const* environment) {
  const hook::sharing_call noted;
  return real::posix_spawn(process, path, actions, attributes, arguments, environment);
}

CSP_API int posix_spawnp(pid_t* process, const char* file, const posix_spawn_file_actions_t* actions,
                         const posix_spawnattr_t* attributes, char* const* arguments, char* const* environment) {
  const hook::sharing_call noted;
  return real::posix_spawnp(process, file, actions, attributes, arguments, environment);
}

CSP_API int system(const char* command) {
  const hook::sharing_call noted;
  return real::system(command);
}

CSP_API FILE* popen(const char* command, const char* mode) {
  const hook::sharing_call noted;
  return real::popen(command, mode);
}

}  // extern "C"
