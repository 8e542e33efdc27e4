#include "sched/base/asymmetric_fence.h"

#include "sched/base/fatal.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace csp::inline v0::detail {

const bool asymmetric_fence::membarrier_works_ = asymmetric_fence::register_process();

bool asymmetric_fence::register_process() noexcept {
  return ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

void asymmetric_fence::heavy() noexcept {
  full_fence();
  if (membarrier_works_) {
    // A child of fork keeps the registration with its copied address space.
    const long result = ::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    require(result == 0, "membarrier stopped working: a seccomp filter was installed while libcsp ran");
  }
}

}  // namespace csp::inline v0::detail
