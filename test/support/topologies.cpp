#include "test/support/topologies.h"

#include "sched/base/sanitizer.h"

#include <cstdlib>

namespace csp_test {
void expectations::verify() const {
  const std::lock_guard guard(lock_);
  for (const std::string& failure : failures_) {
    UNSCOPED_INFO(failure);
  }
  REQUIRE(failures_.empty());
  REQUIRE(checked_.load() > 0);
}

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

void on_each_topology(const std::function<void(expectations&, unsigned)>& body, csp::options options) {
  for (const unsigned processors : {1U, 2U, 4U, 8U}) {
    CAPTURE(processors);
    const footprint before = footprint::now();
    expectations expect;
    options.processors = processors;
    csp::run(options, [&] { body(expect, processors); });
    expect.verify();
    CHECK(footprint::settled(before).beyond(before) == "");
  }
}

}  // namespace csp_test
