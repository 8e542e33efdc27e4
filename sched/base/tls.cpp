#include "sched/base/tls.h"

#include "sched/base/lock_rank.h"

extern "C" {
thread_local constinit csp::detail::processor* csp_this_processor = nullptr;
}

namespace csp::inline v0::detail {
namespace {

thread_local constinit std::uint16_t locks_held[static_cast<unsigned>(lock_rank::count)] = {};

}  // namespace

#if !defined(__x86_64__)
CSP_NOINLINE processor* read_this_processor() noexcept {
  asm volatile("");  // keeps callers from merging two calls
  return csp_this_processor;
}
#endif

CSP_NOINLINE void set_this_processor(processor* value) noexcept { csp_this_processor = value; }

CSP_NOINLINE random_source& this_thread_random() noexcept {
  asm volatile("");
  // A stream for each thread, apart from the others by its address.
  static thread_local random_source source(reinterpret_cast<std::uintptr_t>(&source));
  return source;
}

CSP_NOINLINE std::uint16_t* held_locks() noexcept {
  asm volatile("");
  return locks_held;
}

}  // namespace csp::inline v0::detail
