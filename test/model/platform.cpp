// The kernel, as the shipped code sees it through sched/base/futex.h.
#include "sched/base/futex.h"

#include "test/model/operation.h"

namespace csp::inline v0::detail {
namespace {

::model::operation on(::model::action what, const void* word, const char* function) noexcept {
  ::model::operation made;
  made.what = what;
  made.address = word;
  made.size = sizeof(std::uint32_t);
  made.where = {__FILE__, __LINE__, function};
  return made;
}

}  // namespace

// A deadline may pass at any time; nobody is woken for nothing.
bool futex_wait_until(atomic<std::uint32_t>& word, std::uint32_t expected, nanos deadline) noexcept {
  ::model::operation wait = on(::model::action::futex_wait, &word, __func__);
  wait.expected = expected;
  if (!::model::perform(wait, 0).success) {
    return true;
  }
  ::model::operation back = on(::model::action::futex_return, &word, __func__);
  back.timed = deadline != never;
  return ::model::perform(back, 0).success;
}

void futex_wake(const atomic<std::uint32_t>* word, int count) noexcept {
  ::model::operation wake = on(::model::action::futex_wake, word, __func__);
  wake.operand = static_cast<std::uint64_t>(count);
  ::model::perform(wake, 0);
}

void yield_thread() noexcept { ::model::perform(on(::model::action::yield, nullptr, __func__), 0); }

}  // namespace csp::inline v0::detail
