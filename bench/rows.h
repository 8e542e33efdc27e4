// The rows of csp_bench by theme, and how each of them runs libcsp. The Go and Boost.Fiber twins in compare/ do the
// same work: change them together.
#pragma once

#include <libcsp/csp.h>

#include <span>

#include "bench/harness.h"

namespace bench {

std::span<const row> switch_rows();
std::span<const row> channel_rows();
std::span<const row> select_rows();
std::span<const row> program_rows();
std::span<const row> parallel_rows();

// Runs fn as the main task on exactly the row's number of processors. No spares: never more tasks at once than
// processors, which is what GOMAXPROCS means in the Go twin.
template <class F>
void run(const measurement& m, F fn) {
  csp::options options;
  options.processors = m.processors();
  options.spares = 0;
  csp::run(options, fn);
}

}  // namespace bench
