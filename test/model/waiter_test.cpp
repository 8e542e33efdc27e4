// Waits and their rivals: one of the queue, the timer and the canceller wins, the task is made ready once, it sees what
// the winner wrote, and nothing of the wait is touched when it has returned.
#include "sched/park.h"
#include "sched/wait_list.h"

#include "test/model/model.h"
#include "test/model/runtime.h"
#include "test/support/catch.h"

namespace {

using namespace csp::detail;

constexpr nanos deadline = 10;

// The queue that the task waits in, and the value that comes through it.
struct meeting {
  spinlock lock{lock_rank::channel};
  wait_queue queue;
  model::plain<int> value;
  bool offered = false;  // guarded by lock: the sender came first
};

void send(meeting& place) {
  place.value.set(1);
  place.lock.lock();
  wait_node* const node = place.queue.pop_winner();
  place.offered = true;
  place.lock.unlock();
  if (node != nullptr) {
    make_ready(*node->owner);
  }
}

enum rival : unsigned { sender = 1, timer_thief = 2, canceller = 4 };

// The task waits once, with a deadline where a timer is among the rivals.
template <unsigned Rivals>
struct wait_with {
  static constexpr unsigned threads = 1 + ((Rivals & sender) != 0) + ((Rivals & timer_thief) != 0) + ((Rivals & canceller) != 0);

  model::lone_task waiting;
  meeting place;
  bool fired = false;

  void run(unsigned thread) {
    if (thread == 0) {
      waiting.enter();
      wait();
      return;
    }
    unsigned role = 0;
    for (const unsigned each : {sender, timer_thief, canceller}) {
      if ((Rivals & each) != 0 && thread-- == 1) {
        role = each;
      }
    }
    if (role == sender) {
      send(place);
    } else if (role == timer_thief) {
      fired = waiting.here.timers.fire_due(deadline, 1) != 0;
    } else {
      cancel(waiting.self, 1);
    }
  }

  void wait() {
    wait_node node;
    place.lock.lock();
    if (place.offered) {
      place.lock.unlock();
      model::check(place.value.get() == 1, "an old value");
      return;
    }
    const nanos until = (Rivals & timer_thief) != 0 ? deadline : never;
    const wake_reason reason = wait_in_queue_locked(place.queue, place.lock, node, wait_kind::receive, until);
    model::check(!node.linked, "the node is still in the queue");
    switch (reason) {
      case wake_reason::first_case:
        model::check(place.value.get() == 1, "an old value");
        break;
      case wake_reason::timeout:
        model::check((Rivals & timer_thief) != 0, "a deadline out of nowhere");
        break;
      case wake_reason::canceled:
        model::check(waiting.self.cancel_requested(), "cancelled by nobody");
        break;
      case wake_reason::none:
        model::fail("no reason");
    }
  }

  void finish() {
    model::check(place.queue.empty(), "a node is left");
    model::check(waiting.here.timers.earliest() == never, "a timer is left");
    model::check(waiting.here.ready.load() == 0, "a task is made ready twice");
  }
};

using exclusive = wait_with<sender | canceller>;
using two_cancellers = wait_with<canceller>;

}  // namespace

TEST_CASE("waiter: a wait in one queue ends once") {
  CHECK(model::passes<wait_with<sender>>("waiter: exclusive, a sender"));
  CHECK(model::passes<wait_with<canceller>>("waiter: exclusive, a canceller"));
  CHECK(model::passes<exclusive>("waiter: exclusive, sender and canceller"));
}
