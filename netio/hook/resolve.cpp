// Names and addresses: the C library's resolver uses its own internal calls, which no hook sees, so it runs on another
// thread. It may wait for a server, so not among the short calls.
#include "netio/hook/call_blocking.h"
#include "netio/hook/define.h"
#include "netio/real.h"

#include <netdb.h>

namespace csp::inline v0::detail::hook {
namespace {

// h_errno is a thread-local of the thread that asked.
template <class Call>
auto resolve(Call call) noexcept -> std::invoke_result_t<Call&> {
  int found = 0;
  const auto result = offload(offload_to::lingering_calls, [&] {
    auto answer = call();
    found = h_errno;
    return answer;
  });
  h_errno = found;
  return result;
}

// getaddrinfo(3): errno says more when the answer is EAI_SYSTEM.
template <class Call>
int resolve_with_errno(Call call) noexcept {
  int error = 0;
  const int result = offload(offload_to::lingering_calls, [&] {
    const int answer = call();
    error = errno;
    return answer;
  });
  if (result == EAI_SYSTEM) {
    errno = error;
  }
  return result;
}

}  // namespace
}  // namespace csp::inline v0::detail::hook

namespace hook = csp::detail::hook;
namespace real = csp::detail::real;

extern "C" {

CSP_API int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** found) {
  const auto call = [=] { return real::getaddrinfo(node, service, hints, found); };
  return hook::in_task() ? hook::resolve_with_errno(call) : call();
}

CSP_API int getnameinfo(const sockaddr* address, socklen_t length, char* host, socklen_t host_size, char* service,
                        socklen_t service_size, int flags) {
  const auto call = [=] { return real::getnameinfo(address, length, host, host_size, service, service_size, flags); };
  return hook::in_task() ? hook::resolve_with_errno(call) : call();
}

CSP_API hostent* gethostbyname(const char* name) {
  const auto call = [=] { return real::gethostbyname(name); };
  return hook::in_task() ? hook::resolve(call) : call();
}

CSP_API hostent* gethostbyname2(const char* name, int family) {
  const auto call = [=] { return real::gethostbyname2(name, family); };
  return hook::in_task() ? hook::resolve(call) : call();
}

CSP_API hostent* gethostbyaddr(const void* address, socklen_t length, int family) {
  const auto call = [=] { return real::gethostbyaddr(address, length, family); };
  return hook::in_task() ? hook::resolve(call) : call();
}

CSP_API int gethostbyname_r(const char* name, hostent* entry, char* buffer, std::size_t size, hostent** found,
                            int* error) {
  const auto call = [=] { return real::gethostbyname_r(name, entry, buffer, size, found, error); };
  return hook::in_task() ? hook::resolve(call) : call();
}

CSP_API int gethostbyname2_r(const char* name, int family, hostent* entry, char* buffer, std::size_t size,
                             hostent** found, int* error) {
  const auto call = [=] { return real::gethostbyname2_r(name, family, entry, buffer, size, found, error); };
  return hook::in_task() ? hook::resolve(call) : call();
}

CSP_API int gethostbyaddr_r(const void* address, socklen_t length, int family, hostent* entry, char* buffer,
                            std::size_t size, hostent** found, int* error) {
  const auto call = [=] { return real::gethostbyaddr_r(address, length, family, entry, buffer, size, found, error); };
  return hook::in_task() ? hook::resolve(call) : call();
}

}  // extern "C"
