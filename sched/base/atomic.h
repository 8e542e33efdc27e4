// The seam of the lock-free parts: their atomic variables, mutexes, fences and sizes, so that a checker can run the
// code that ships under a memory model of its own (test/model). A build that defines CSP_ATOMICS_HEADER takes from
// there what stands here, in asymmetric_fence.h, and cpu_relax(); it brings the functions of futex.h by linking.
#pragma once

#if defined(CSP_ATOMICS_HEADER)
#include CSP_ATOMICS_HEADER
/// A size or a number of tries as shipped, and as the checker has it, which looks at every interleaving.
#define CSP_SHRUNK(shipped, checked) checked
#else
#include <atomic>
#include <mutex>

#define CSP_SHRUNK(shipped, checked) shipped

namespace csp::inline v0::detail {

template <class T>
using atomic = std::atomic<T>;
using thread_mutex = std::mutex;  // blocks the thread; a csp::mutex blocks a task
using thread_mutex_guard = std::lock_guard<std::mutex>;

}  // namespace csp::inline v0::detail
#endif
