// The lock order check. A library that was built without CSP_CHECKED has no such code, so the test brings its own copy.
#if !defined(CSP_CHECKED)
#define CSP_CHECKED
#include "sched/base/lock_rank.cpp"
#else
#include "sched/base/lock_rank.h"
#endif

#include "test/sched/child.h"

#include <csignal>

using namespace csp::detail;
using csp_test::child_result;
using csp_test::in_child;

TEST_CASE("lock_rank: rising ranks, and several channels, are in order") {
  const child_result result = in_child([] {
    note_locked(lock_rank::join);
    note_locked(lock_rank::channel);
    note_locked(lock_rank::channel);
    note_locked(lock_rank::timers);
    note_unlocked(lock_rank::timers);
    note_unlocked(lock_rank::channel);
    note_unlocked(lock_rank::channel);
    note_unlocked(lock_rank::join);
    require_no_locks("a park");
    note_locked(lock_rank::scheduler_registry);
    note_unlocked(lock_rank::scheduler_registry);
  });
  INFO(result.text);
  CHECK(result.exited_with(0));
  CHECK(result.text.empty());
}

TEST_CASE("lock_rank: a lower rank under a higher one is fatal") {
  const child_result result = in_child([] {
    note_locked(lock_rank::timers);
    note_locked(lock_rank::channel);
  });
  CHECK(result.died_of(SIGABRT));
  CHECK(result.says("csp: fatal: lock order broken"));
}

TEST_CASE("lock_rank: two locks of one rank are fatal, apart from channels") {
  const child_result result = in_child([] {
    note_locked(lock_rank::queue);
    note_locked(lock_rank::queue);
  });
  CHECK(result.died_of(SIGABRT));
  CHECK(result.says("lock order broken"));
}

TEST_CASE("lock_rank: releasing what is not held is fatal") {
  const child_result result = in_child([] {
    note_locked(lock_rank::queue);
    note_unlocked(lock_rank::idle);
  });
  CHECK(result.died_of(SIGABRT));
  CHECK(result.says("a lock was released that this thread does not hold"));
}

TEST_CASE("lock_rank: a lock that is held over an operation is fatal and the operation is named") {
  const child_result result = in_child([] {
    note_locked(lock_rank::arena);
    require_no_locks("a park");
  });
  CHECK(result.died_of(SIGABRT));
  CHECK(result.says("a lock is held over: a park"));
}
