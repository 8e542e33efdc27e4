// Tells at start, in one line, when the hooks are in the program but the C library's functions are called all the same:
// when another library defines them first, or comes first in the search order.
#include "sched/base/config.h"

#include <dlfcn.h>
#include <unistd.h>
#include <cstdio>
#include <initializer_list>

extern "C" {
/// A name that only the hooks have: the linker option that asks for it keeps them in the program, and libcsp finds by
/// it where they are.
CSP_API extern const int csp_hook_anchor;
const int csp_hook_anchor = 1;
}

namespace {

const char* module_of(const void* address) noexcept {
  Dl_info info{};
  return address != nullptr && dladdr(address, &info) != 0 && info.dli_fname != nullptr ? info.dli_fname : "?";
}

const void* base_of(const void* address) noexcept {
  Dl_info info{};
  return address != nullptr && dladdr(address, &info) != 0 ? info.dli_fbase : nullptr;
}

[[gnu::constructor]] void check_that_hooks_are_effective() noexcept {
  // One for each way to lose: a name that every program calls, one of sockets, one of waiting.
  for (const char* const name : {"read", "write", "close", "connect", "recv", "poll", "nanosleep"}) {
    const void* const found = dlsym(RTLD_DEFAULT, name);
    if (base_of(found) != base_of(&csp_hook_anchor)) {
      std::fprintf(stderr,
                   "csp: the libc hooks are linked but not effective: '%s' is taken from %s; link csp::hook before "
                   "that library\n",
                   name, module_of(found));
      return;
    }
  }
}

}  // namespace
