// A receiver is a one-way view.
// expect: no member named 'send'
#include <libcsp/csp.h>

#ifdef CSP_CONTROL
void program(const csp::sender<int>& end) { end.send(1); }
#else
void program(const csp::receiver<int>& end) { end.send(1); }
#endif
