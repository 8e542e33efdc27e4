// For the tests of examples/callbacks: the same job by callbacks and by channels prints the same.
#pragma once

#include "test/support/service.h"
#include "test/support/topologies.h"

#include <unistd.h>

#include <cstdio>
#include <string>

namespace csp_test {

/// False, and a loud line, when the program was left out for want of a library.
inline bool is_built(const std::string& program) {
  const bool built = ::access(example_path("callbacks/" + program).c_str(), X_OK) == 0;
  if (!built) {
    std::fprintf(stderr, "SKIPPED: %s was not built: its library is not installed\n", program.c_str());
  }
  return built;
}

/// What a program prints on so many processors; a minute is many times what any job takes.
inline finished run_port(const std::string& program, const std::string& arguments, int processors) {
  return run_to_end("CSP_PROCESSORS=" + std::to_string(processors) + " timeout 60 " +
                    example_path("callbacks/" + program) + " " + arguments);
}

/// Checks both forms of NAME, on 1, 2 and 4 processors, against what they should print.
inline void check_port(const std::string& name, const std::string& arguments, const std::string& expected, int status) {
  const finished before = run_port(name + "_callbacks", arguments, 1);
  CHECK(before.output == expected);
  CHECK(before.status == status);
  for (const int processors : {1, 2, 4}) {
    CAPTURE(processors);
    const finished after = run_port(name + "_channels", arguments, processors);
    CHECK(after.output == expected);
    CHECK(after.status == status);
  }
}

}  // namespace csp_test
