#include "sched/sim/trace.h"

#include <cstdio>

namespace csp::inline v0::detail {

void trace::print(const std::string& line) const {
  if (verbose_) {
    std::fprintf(stderr, "sim: %s\n", line.c_str());
  }
}

}  // namespace csp::inline v0::detail
