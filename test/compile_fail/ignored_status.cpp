// Whether a try_ form succeeded must be looked at (under -Werror=unused-result).
// expect: ignoring return(ed)? value
#include <libcsp/csp.h>

void program(const csp::chan<int>& channel) {
#ifdef CSP_CONTROL
  static_cast<void>(channel.try_send(1));
#else
  channel.try_send(1);
#endif
}
