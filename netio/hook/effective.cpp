// Tells at start, in one line, when the hooks are in the program but the C library's functions are called all the same:
// when another library defines them first, or comes first in the search order.
#include "netio/real.h"

#include <cstdio>
#include <initializer_list>

extern "C" {
/// A name that only the hooks have: the linker option that asks for it keeps them in the program, and libcsp finds by
/// it where they are.
CSP_API extern const int csp_hook_anchor;
const int csp_hook_anchor = 1;
}

namespace {

namespace real = csp::detail::real;

[[gnu::constructor]] void check_that_hooks_are_effective() noexcept {
  // Names that every program calls, one of sockets, one of waiting: one for each way to lose.
  for (const char* const name : {"read", "write", "close", "connect", "recv", "poll", "nanosleep"}) {
    const real::module found = real::module_in_force(name);
    if (found.base != real::module_of(&csp_hook_anchor).base) {
      std::fprintf(stderr,
                   "csp: the libc hooks are linked but not effective: '%s' is taken from %s; link csp::hook before "
                   "that library\n",
                   name, found.path);
      return;
    }
  }
}

}  // namespace
