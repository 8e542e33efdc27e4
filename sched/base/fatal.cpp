#include "sched/base/fatal.h"

#include "sched/base/atomic.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <unistd.h>

namespace csp::inline v0::detail {
namespace {

atomic<context_describer> describer_of_context{nullptr};

}  // namespace

void set_context_describer(context_describer describer) noexcept {
  // release: pairs with the acquire in fatal(); what the describer reads was set up before.
  describer_of_context.store(describer, std::memory_order_release);
}

void fatal(const char* message) noexcept { fatal(message, nullptr); }

void fatal(const char* message, const char* detail) noexcept {
  char context[256] = "";
  // acquire: pairs with the release in set_context_describer().
  if (context_describer describe = describer_of_context.load(std::memory_order_acquire)) {
    describe(context, sizeof context);
  }
  char line[768];
  const int length = std::snprintf(line, sizeof line, "csp: fatal: %s%s%s%s%s\n", message, detail ? ": " : "",
                                   detail ? detail : "", context[0] ? " in " : "", context);
  if (length > 0) {
    const std::size_t size = std::strlen(line);
    // Nothing can be done about a closed stderr on the way to abort().
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line, size);
  }
  std::abort();
}

}  // namespace csp::inline v0::detail
