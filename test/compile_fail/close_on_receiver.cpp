// "It is an error if the channel is receive-only": a receiver does not close.
// expect: close
#include <libcsp/csp.h>

void program(const csp::chan<int>& channel) {
#ifdef CSP_CONTROL
  csp::sender<int> end = channel;
#else
  csp::receiver<int> end = channel;
#endif
  end.close();
}
