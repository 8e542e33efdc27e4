#include "test/support/time_limit.h"

#include <libcsp/inspect.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace csp_test {

time_limit::time_limit(std::chrono::seconds limit, std::string what)
    : what_(std::move(what)), watch_([this, limit] { watch(limit); }) {}

time_limit::~time_limit() {
  {
    const std::lock_guard guard(lock_);
    over_ = true;
  }
  changed_.notify_one();
  watch_.join();
}

void time_limit::watch(std::chrono::seconds limit) {
  std::unique_lock guard(lock_);
  if (changed_.wait_for(guard, limit, [this] { return over_; })) {
    return;
  }
  std::fprintf(stderr, "HANGS: %s has not ended after %ld seconds; tasks:\n", what_.c_str(),
               static_cast<long>(limit.count()));
  for (const csp::task_info& task : csp::tasks()) {
    std::fprintf(stderr, "  %s, spawned at %s:%u: %s for %ld ms\n", task.name.c_str(), task.file.c_str(), task.line,
                 task.state.c_str(), static_cast<long>(task.waiting.count()));
  }
  std::abort();
}

}  // namespace csp_test
