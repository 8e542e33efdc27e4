// For the functions of kinds.h: where the programs of servers are.
#pragma once

#include "test/support/servers/process.h"

#include <cstdio>
#include <string>
#include <vector>

namespace csp_test {

/// The path of each program, which is looked for in the folders (patterns of glob(7)); empty, and a loud line about the
/// package, when one is missing.
inline std::vector<std::string> installed(const char* package, const std::vector<std::string>& folders,
                                          const std::vector<std::string>& programs) {
  std::vector<std::string> result;
  for (const std::string& program : programs) {
    std::vector<std::string> patterns;
    for (const std::string& folder : folders) {
      patterns.push_back(folder + "/" + program);
    }
    result.push_back(find_program(patterns));
    if (result.back().empty()) {
      std::fprintf(stderr, "SKIPPED: %s is not installed (%s)\n", package, program.c_str());
      return {};
    }
  }
  return result;
}

/// Where Debian puts programs.
inline const std::vector<std::string> usual_folders{"/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"};

}  // namespace csp_test
