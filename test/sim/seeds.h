// What the simulated scenarios share.
#pragma once

#include "test/support/topologies.h"

#include <libcsp/csp.h>
#include <libcsp/testing.h>

#include <cstdint>
#include <functional>

namespace csp_test {

/// Simulates `body` with `seeds` seeds, fewer in instrumented builds; what fails is thrown.
inline void on_seeds(std::uint64_t seeds, const std::function<void()>& body) {
  const std::uint64_t wanted = scaled(static_cast<std::size_t>(seeds));
  CHECK(csp::testing::explore(wanted, body).runs > 0);
}

}  // namespace csp_test
