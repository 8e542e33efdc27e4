// The atomics seam: every atomic variable of the lock-free parts is a detail::atomic, so that a checker can run the
// code that ships under a memory model of its own. A build that defines CSP_ATOMICS_HEADER takes the definition from
// there.
#pragma once

#include <atomic>

#if defined(CSP_ATOMICS_HEADER)
#include CSP_ATOMICS_HEADER
#else
namespace csp::inline v0::detail {

template <class T>
using atomic = std::atomic<T>;

}  // namespace csp::inline v0::detail
#endif
