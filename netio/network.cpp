#include "netio/network.h"

#include "sched/base/tls.h"
#include "sched/scheduler_core.h"
#include "sched/simulator.h"

#include <cerrno>

namespace csp::inline v0::detail {
namespace {

[[nodiscard]] simulator* simulator_of_caller() noexcept {
  const processor* const here = this_processor();
  return here != nullptr && here->is_simulated() ? here->core().settings().simulated : nullptr;
}

}  // namespace

network* network_of_caller() noexcept {
  const simulator* const simulated = simulator_of_caller();
  return simulated != nullptr ? simulated->net() : nullptr;
}

bool refuse_in_simulation(const std::string& what) {
  simulator* const simulated = simulator_of_caller();
  if (simulated == nullptr) {
    return false;
  }
  simulated->fail(what + ": there is no real I/O in a simulation, only sockets of csp::net that were made in it");
  errno = ENOTSUP;
  return true;
}

}  // namespace csp::inline v0::detail
