// The common frame of tests: a body runs on 1, 2, 4 and 8 processors, what it expects is collected thread-safely, and
// afterwards nothing may be left (footprint.h).
#pragma once

#include "test/support/catch.h"
#include "test/support/expectations.h"
#include "test/support/footprint.h"
#include "test/support/scale.h"

#include <libcsp/csp.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace csp_test {

/// The usual options, but so many processors.
inline csp::options with(unsigned processors) {
  csp::options result;
  result.processors = processors;
  return result;
}

/// Runs `body(expect, processors)` as the main task of csp::run on 1, 2, 4 and 8 processors, and checks what is left
/// after each.
void on_each_topology(const std::function<void(expectations& expect, unsigned processors)>& body,
                      csp::options options = {});

}  // namespace csp_test
