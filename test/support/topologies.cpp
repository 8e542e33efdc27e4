#include "test/support/topologies.h"

namespace csp_test {
void expectations::verify() const {
  const std::lock_guard guard(lock_);
  for (const std::string& failure : failures_) {
    UNSCOPED_INFO(failure);
  }
  REQUIRE(failures_.empty());
  REQUIRE(checked_.load() > 0);
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
