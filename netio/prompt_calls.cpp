#include "netio/prompt_calls.h"

#include <cerrno>

namespace csp::inline v0::detail::prompt {

constinit std::atomic<route> chosen{route::unknown};

route choose_route() noexcept {
  route found = route::library;
#if defined(__x86_64__) || defined(__aarch64__)
  const void* const library = real::module_of_library().base;
  bool own = library != nullptr;
  for (const char* const name : {"recv", "recvfrom", "recvmsg", "send", "sendto", "sendmsg", "preadv2", "pwritev2"}) {
    own = own && real::module_of(real::look_up(name)).base == library;
  }
  found = own ? route::kernel : route::library;
#endif
  chosen.store(found, std::memory_order_relaxed);
  return found;
}

ssize_t fail(long error) noexcept {
  errno = static_cast<int>(error);
  return -1;
}

}  // namespace csp::inline v0::detail::prompt
