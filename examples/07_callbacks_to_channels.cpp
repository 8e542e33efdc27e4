// 07: from callbacks to channels: one and the same job, before and after.
//
// Teaches: how to turn a callback API (async_timer.h) into something that a task can wait for: a
// csp::one_shot, whose callback never blocks the foreign thread. Loops, locals and early returns then
// work again.
// The job: launch after a countdown of three steps, each a little shorter than the one before.

#include "async_timer.h"

#include <libcsp/csp.h>

#include <fmt/core.h>

#include <chrono>
#include <future>
#include <memory>

using namespace std::chrono_literals;
using std::chrono::milliseconds;

namespace before {

// The loop is taken apart into a method that asks for itself to be called again. Its variables are
// members, and shared_from_this keeps them alive from one callback to the next.
class countdown : public std::enable_shared_from_this<countdown> {
 public:
  countdown(async_timer& timer, int steps) : timer_(timer), left_(steps) {}

  std::future<void> start() {
    next();
    return finished_.get_future();
  }

 private:
  void next() {
    if (left_ == 0) {
      fmt::print("launch\n");
      finished_.set_value();
      return;
    }
    fmt::print("{}\n", left_);
    timer_.call_after(milliseconds(5) * left_, [self = shared_from_this()] {
      --self->left_;
      self->next();
    });
  }

  async_timer& timer_;
  int left_;
  std::promise<void> finished_;
};

}  // namespace before

namespace after {

// The whole bridge between the two styles. True: the timer has fired; false: it has dropped the call.
bool wait(async_timer& timer, milliseconds delay) {
  const csp::one_shot<void> fired;
  timer.call_after(delay, [call = fired.callback()] { static_cast<void>(call()); });
  return fired.wait();
}

void countdown(async_timer& timer, int steps) {
  for (int left = steps; left > 0; --left) {
    fmt::print("{}\n", left);
    wait(timer, milliseconds(5) * left);
  }
  fmt::print("launch\n");
}

}  // namespace after

int main() {
  async_timer timer;
  fmt::print("before:\n");
  std::make_shared<before::countdown>(timer, 3)->start().wait();
  fmt::print("after:\n");
  csp::run([&] { after::countdown(timer, 3); });
}
