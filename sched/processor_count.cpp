#include "sched/processor_count.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>

#include <sched.h>
#include <unistd.h>

namespace csp::inline v0::detail {
namespace {

[[nodiscard]] unsigned affinity_count() noexcept {
  cpu_set_t mask;
  if (::sched_getaffinity(0, sizeof mask, &mask) == 0) {
    return static_cast<unsigned>(std::max(1, CPU_COUNT(&mask)));
  }
  // More CPUs than a cpu_set_t holds.
  return static_cast<unsigned>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
}

// CPUs that a pair of quota and period allows; nothing when there is no limit.
[[nodiscard]] std::optional<double> quota_in(const std::string& folder) {
  std::string quota;
  double period = 0;
  if (std::ifstream file(folder + "/cpu.max"); file >> quota >> period && quota != "max" && period > 0) {
    return std::strtod(quota.c_str(), nullptr) / period;
  }
  double old_quota = 0;
  std::ifstream quota_file(folder + "/cpu.cfs_quota_us");
  std::ifstream period_file(folder + "/cpu.cfs_period_us");
  if (quota_file >> old_quota && period_file >> period && old_quota > 0 && period > 0) {
    return old_quota / period;
  }
  return std::nullopt;
}

// The tightest limit between the process's cgroup and the root, of version 2 or of version 1's cpu controller.
[[nodiscard]] std::optional<double> cgroup_quota() {
  std::optional<double> tightest;
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) {
      continue;
    }
    std::istringstream controllers(line.substr(first + 1, second - first - 1));
    const bool version_2 = controllers.str().empty();
    bool has_cpu = version_2;
    for (std::string name; std::getline(controllers, name, ',');) {
      has_cpu = has_cpu || name == "cpu";
    }
    if (!has_cpu) {
      continue;
    }
    const std::string root = version_2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu";
    std::string path = line.substr(second + 1);
    for (;;) {
      if (const auto limit = quota_in(root + path)) {
        tightest = std::min(tightest.value_or(*limit), *limit);
      }
      if (path.empty() || path == "/") {
        break;
      }
      path.erase(path.rfind('/'));
    }
  }
  return tightest;
}

}  // namespace

unsigned parse_processor_count(const char* text, const char* source) {
  unsigned value = 0;
  const char* const end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, value);
  if (error != std::errc() || stop != end || value == 0 || value > most_processors_asked) {
    throw std::invalid_argument(std::string("csp: ") + source + "=\"" + text + "\" is not a number from 1 to " +
                                std::to_string(most_processors_asked));
  }
  return value;
}

unsigned default_processor_count() {
  if (const char* const text = std::getenv("CSP_PROCESSORS"); text != nullptr && *text != '\0') {
    return parse_processor_count(text, "CSP_PROCESSORS");
  }
  unsigned count = affinity_count();
  if (const auto quota = cgroup_quota()) {
    count = std::min(count, static_cast<unsigned>(std::max(1.0, std::ceil(*quota))));
  }
  return std::min(count, most_processors_asked);
}

}  // namespace csp::inline v0::detail
