// A send arm needs a channel that may be sent to.
// expect: no matching
#include <libcsp/csp.h>

void program(const csp::chan<int>& channel) {
#ifdef CSP_CONTROL
  const csp::sender<int> end = channel;
#else
  const csp::receiver<int> end = channel;
#endif
  csp::select(csp::on_send(end, 1));
}
