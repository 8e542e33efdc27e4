// A task is joined once, so its handle moves and is not copied.
// expect: deleted|no matching
#include <libcsp/csp.h>

#include <utility>

csp::join_handle<int> program(csp::join_handle<int>& handle) {
#ifdef CSP_CONTROL
  return std::move(handle);
#else
  return handle;
#endif
}
