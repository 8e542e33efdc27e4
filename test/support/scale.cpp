#include "test/support/scale.h"

#include "sched/base/sanitizer.h"

#include <cstdlib>

namespace csp_test {

bool emulated() { return std::getenv("CSP_TEST_EMULATOR") != nullptr; }

std::string without_emulator(std::string text) {
  const auto line = text.find("qemu: uncaught target signal");
  if (emulated() && line != std::string::npos) {
    const auto end = text.find('\n', line);
    text.erase(line, end == std::string::npos ? end : end + 1 - line);
  }
  return text;
}

std::size_t scaled(std::size_t plain) {
  namespace sanitizer = csp::detail::sanitizer;
  const std::size_t native = emulated() ? 10 : 1;
  const std::size_t factor = native * (sanitizer::thread_sanitizer ? 20 : sanitizer::address_sanitizer ? 5 : 1);
  return plain / factor > 0 ? plain / factor : 1;
}

}  // namespace csp_test
