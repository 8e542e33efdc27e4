// A move-only payload is sent as an rvalue; nothing copies it behind the caller's back.
// expect: deleted|no matching|cannot bind
#include <libcsp/csp.h>

#include <memory>
#include <utility>

void program(const csp::chan<std::unique_ptr<int>>& channel) {
  std::unique_ptr<int> value;
#ifdef CSP_CONTROL
  channel.send(std::move(value));
#else
  channel.send(value);
#endif
}
