// What the parts of the soak share. A part is one kind of work with an account of its own: it runs in a task, beside
// other parts, starts who it needs through a crowd, and checks when all have ended that the account is exact. How much
// it does is bounded; what it does follows from its dice.
#pragma once

#include "test/support/dice.h"
#include "test/support/expectations.h"
#include "test/support/scale.h"

#include <libcsp/csp.h>

#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

namespace csp_test {

struct scene {
  dice chance;
  expectations& expect;
  csp::scheduler& other;  ///< a second scheduler, which runs for the whole round
};

using part = void (*)(scene& here);

struct named_part {
  const char* name;
  part run;
};

/// All there are.
const std::vector<named_part>& all_parts();

/// Members that run at once: tasks of the part's scheduler, tasks of the other one, and now and then a plain thread.
class crowd {
 public:
  explicit crowd(scene& here) : here_(here) {}
  ~crowd() { join(); }
  crowd(const crowd&) = delete;
  crowd& operator=(const crowd&) = delete;

  /// An exception that leaves `member` is a failure.
  void add(std::function<void()> member);
  /// Waits until all have ended.
  void join();

 private:
  scene& here_;
  csp::wait_group group_;
  std::vector<std::thread> threads_;
};

// The parts, by file.
void values_through_channels(scene& here);
void channels_closed_in_use(scene& here);
void locks_and_permits(scene& here);
void queue_of_a_condition(scene& here);
void trees_of_tasks(scene& here);
void tasks_cancelled(scene& here);
void timers_and_tickers(scene& here);
void blocking_calls(scene& here);
void echo_over_loopback(scene& here);
void listeners_closed(scene& here);
void schedulers_come_and_go(scene& here);

}  // namespace csp_test
