// How many processors a scheduler has when nobody says.
#pragma once

namespace csp::inline v0::detail {

/// The most that an option or the environment may ask for.
inline constexpr unsigned most_processors_asked = 256;

/// CSP_PROCESSORS if it is set; else the CPUs of the calling thread's affinity mask, limited by the quota of its cgroup
/// (cgroups(7): cpu.max, or cpu.cfs_quota_us), rounded up. Throws std::invalid_argument for a bad CSP_PROCESSORS.
[[nodiscard]] unsigned default_processor_count();

/// Reads "1" to "256"; throws std::invalid_argument that names `source`.
[[nodiscard]] unsigned parse_processor_count(const char* text, const char* source);

}  // namespace csp::inline v0::detail
