// A payload must be nothrow movable: a hand-over cannot fail half way.
// expect: (static assertion|static_assert) failed.*nothrow
#include <libcsp/csp.h>

struct payload {
  payload() = default;
#ifdef CSP_CONTROL
  payload(payload&&) noexcept {}
#else
  payload(payload&&) {}
#endif
};

void program(const csp::chan<payload>& channel) { channel.send(payload{}); }
