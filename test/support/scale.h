// How large a test is: loops are smaller where programs run slower.
#pragma once

#include <cstddef>
#include <string>

namespace csp_test {

/// True when an emulator runs this program: it has its own memory, threads and signals in between.
bool emulated();

/// What a program wrote, without the line that an emulator adds when a signal ends it.
std::string without_emulator(std::string text);

/// How much smaller loops are under sanitizers and emulation; 1 in plain builds.
std::size_t scaled(std::size_t plain);

}  // namespace csp_test
