// The corpus of planted bugs: toys after defects that libraries of this kind have had. Each is a small program of a few
// tasks over something that a rival's runtime might contain, and comes in two forms that differ in one decision.
//
// Rules for a toy
// - What is used without a lock is a std::atomic: the defects are in the order of steps, not in the memory model.
// - testing::point() stands where a rival's code could be interrupted, or another core come first.
// - Also the planted form has no undefined behaviour, for it goes on and is unwound after the failure: nodes of waiters
//   are shared, what has died is marked and not freed.
#pragma once

#include <libcsp/csp.h>
#include <libcsp/testing.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>

namespace csp_test::corpus {

using namespace std::chrono_literals;
using csp::testing::check;
using csp::testing::point;

enum class form { correct, planted };

/// One toy: its name, what rivals were seen to do, and the program. It fails, in some runs, when it is planted.
struct defect {
  std::string_view name;
  std::string_view kind;
  void (*program)(form shape);
};

/// Somebody who waits to be woken, once.
struct sleeper {
  csp::semaphore token{0};
  void sleep() { token.acquire(); }
  void wake() { token.release(); }
};
using sleeper_pointer = std::shared_ptr<sleeper>;

/// Runs the parts as tasks until all have ended, also when the caller is cancelled: they may refer to its frame.
template <class... Parts>
void together(Parts&&... parts) {
  csp::wait_group all;
  (all.go(std::forward<Parts>(parts)), ...);
  const csp::shield until_all_have_ended;
  all.wait();
}

}  // namespace csp_test::corpus
