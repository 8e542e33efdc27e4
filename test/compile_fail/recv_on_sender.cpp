// A sender is a one-way view.
// expect: no member named 'recv'
#include <libcsp/csp.h>

#ifdef CSP_CONTROL
auto program(const csp::receiver<int>& end) { return end.recv(); }
#else
auto program(const csp::sender<int>& end) { return end.recv(); }
#endif
