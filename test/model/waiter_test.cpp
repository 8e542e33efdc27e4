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
    model::check(node->slot == &place, "the node is of another wait");
    make_ready(*node->owner);
  }
}

enum rival : unsigned { sender = 1, timer_thief = 2, canceller = 4, far_deadline = 8, root = 16, visitor = 32 };

// The task waits once, with a deadline where a timer is among the rivals (or with one that nobody looks at); with a
// root, its commit goes on while it returns. When the sender has come the place of the meeting dies, as a channel may.
template <unsigned Rivals>
struct wait_with {
  static constexpr unsigned threads = 1 + ((Rivals & sender) != 0) + ((Rivals & timer_thief) != 0) +
                                      ((Rivals & canceller) != 0) + ((Rivals & root) != 0) + ((Rivals & visitor) != 0);

  model::lone_task waiting;
  alignas(meeting) std::byte memory[sizeof(meeting)];
  meeting& place = *::new (static_cast<void*>(memory)) meeting;
  bool gone = false;
  model::plain<int> owned;  // by the task, but while it is frozen

  void run(unsigned thread) {
    if (thread == 0) {
      if constexpr ((Rivals & root) != 0) {
        waiting.enter_beside_root();
        wait();
        waiting.dismiss_root();
      } else {
        waiting.enter();
        wait();
      }
      return;
    }
    unsigned role = 0;
    for (const unsigned each : {sender, timer_thief, canceller, root, visitor}) {
      if ((Rivals & each) != 0 && thread-- == 1) {
        role = each;
      }
    }
    if (role == sender) {
      send(place);
    } else if (role == timer_thief) {
      static_cast<void>(waiting.here.timers.fire_due(deadline, 1));
    } else if (role == canceller) {
      cancel(waiting.self, 1);
    } else if (role == visitor) {
      visit();
    } else {
      waiting.be_root();
    }
  }

  // As hibernation does: changes what is the task's own while it waits, and nobody notices.
  void visit() {
    if (!waiting.self.enter()) {
      return;
    }
    asymmetric_fence::heavy();
    static_cast<void>(waiting.self.while_frozen([this]() noexcept { owned.set(owned.get() + 1); }));
    waiting.self.leave();
  }

  void wait() {
    owned.set(1);
    place.lock.lock();
    if (place.offered) {
      place.lock.unlock();
      receive();
      return;
    }
    const nanos until = (Rivals & (timer_thief | far_deadline)) != 0 ? deadline : never;
    queue_wait request{place.queue, place.lock, wait_kind::receive, true, &place};
    const wake_reason reason = wait_in_queue_until(request, until);
    model::check(!request.node->linked, "the node is still in the queue");
    model::check(owned.get() == 1 || (owned.get() == 2 && (Rivals & visitor) != 0), "changed while it runs");
    switch (reason) {
      case wake_reason::first_case:
        receive();
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

  void receive() {
    model::check(place.value.get() == 1, "an old value");
    place.~meeting();
    gone = true;
  }

  void finish() {
    model::check(gone || place.queue.empty(), "a node is left");
    model::check(waiting.here.timers.earliest() == never, "a timer is left");
    model::check(waiting.here.ready.load() == 0, "a task is made ready twice");
  }
};

using exclusive = wait_with<sender | canceller>;
using timed = wait_with<sender | timer_thief>;
using three_rivals = wait_with<sender | timer_thief | canceller>;
using open_cancel = wait_with<canceller | far_deadline>;
using beside_root = wait_with<sender | far_deadline | root>;
using cancelled = wait_with<canceller>;
using timed_cancel = wait_with<timer_thief | canceller>;

using visited = wait_with<sender | visitor>;
using visited_timed = wait_with<sender | far_deadline | visitor>;
using visited_cancelled = wait_with<canceller | visitor>;
using visited_open_cancelled = wait_with<canceller | far_deadline | visitor>;

// Two cancellers of one wait, and a task that waits again: a late canceller of the first wait must not end the second.
struct two_waits {
  static constexpr unsigned threads = 3;
  model::lone_task waiting;
  meeting first;
  meeting second;

  void run(unsigned thread) {
    if (thread == 0) {
      waiting.enter();
      wait(first);
      wait(second);
    } else if (thread == 1) {
      send(first);
      send(second);
    } else {
      // The timer of the first wait, seen by a thief that is late.
      static_cast<void>(waiting.here.timers.fire_due(deadline, 1));
    }
  }
  static void wait(meeting& place) {
    place.lock.lock();
    if (!place.offered) {
      queue_wait request{place.queue, place.lock, wait_kind::receive, true, &place};
      const wake_reason reason = wait_in_queue_until(request, deadline);
      if (reason != wake_reason::first_case) {
        return;
      }
    } else {
      place.lock.unlock();
    }
    model::check(place.value.get() == 1, "an old value");
  }
  void finish() {
    model::check(first.queue.empty() && second.queue.empty(), "a node is left");
    model::check(waiting.here.ready.load() == 0, "a task is made ready twice");
  }
};

// Two exclusive waits, each in a place that dies after it: a canceller of the first one must not reach for its place in
// the second.
struct two_exclusive {
  static constexpr unsigned threads = 3;
  model::lone_task waiting;
  alignas(meeting) std::byte memory[sizeof(meeting)];
  meeting& first = *::new (static_cast<void*>(memory)) meeting;
  meeting second;

  void run(unsigned thread) {
    if (thread == 0) {
      waiting.enter();
      if (wait(first)) {
        first.~meeting();
        wait(second);
      }
    } else if (thread == 1) {
      send(first);
      send(second);
    } else {
      cancel(waiting.self, 1);
    }
  }
  bool wait(meeting& place) {
    place.lock.lock();
    if (place.offered) {
      place.lock.unlock();
      return true;
    }
    queue_wait request{place.queue, place.lock, wait_kind::receive, true, &place};
    return wait_in_queue_until(request, never) == wake_reason::first_case;
  }
  void finish() { model::check(waiting.here.ready.load() == 0, "a task is made ready twice"); }
};

}  // namespace

TEST_CASE("waiter: a wait in one queue ends once") {
  CHECK(model::passes<wait_with<sender>>("waiter: exclusive, a sender"));
  CHECK(model::passes<wait_with<canceller>>("waiter: exclusive, a canceller"));
  CHECK(model::passes<exclusive>("waiter: exclusive, sender and canceller"));
  CHECK(model::passes<wait_with<sender | root>>("waiter: exclusive, sender, and the commit goes on"));
  CHECK(model::passes<two_exclusive>("waiter: exclusive, twice, sender and canceller"));
}

TEST_CASE("waiter: a wait with a deadline ends once") {
  CHECK(model::passes<timed>("waiter: open, sender and timer"));
  CHECK(model::passes<open_cancel>("waiter: open, canceller"));
  CHECK(model::passes<timed_cancel>("waiter: open, timer and canceller"));
  CHECK(model::passes<three_rivals>("waiter: open, sender, timer and canceller"));
  CHECK(model::passes<beside_root>("waiter: open, sender, and the commit goes on"));
  CHECK(model::passes<two_waits>("waiter: open, twice, sender and timer"));
}

TEST_CASE("waiter: a wait that is frozen for a moment ends once") {
  CHECK(model::passes<visited>("waiter: exclusive, sender and visitor"));
  CHECK(model::passes<visited_timed>("waiter: open, sender and visitor"));
  CHECK(model::passes<visited_cancelled>("waiter: exclusive, canceller and visitor"));
  CHECK(model::passes<visited_open_cancelled>("waiter: open, canceller and visitor"));
}

TEST_CASE("waiter: mutants of freezing are caught") {
  using model::mistake;
  constexpr const char* header = "sched/waiter.h";
  CHECK(model::catches<visited_timed>("waiter",
                                      {header, "word_.store(word, std::memory_order_release);", mistake::relax}));
  CHECK(model::catches<visited_timed>("waiter",
                                      {header, "word_.compare_exchange_strong(word, word | frozen", mistake::tear}));
  CHECK(model::catches<visited>("waiter",
                                {header, "inside_.store(outside, std::memory_order_release);", mistake::relax}));
}

TEST_CASE("waiter: mutants of an exclusive wait are caught") {
  using model::mistake;
  constexpr const char* header = "sched/waiter.h";
  constexpr const char* source = "sched/waiter.cpp";
  CHECK(model::catches<exclusive>("waiter",
                                  {header, "word_.store(tag + (cancellable ? exclusive : idle)", mistake::relax}));
  CHECK(model::catches<exclusive>(
      "waiter", {header, "word_.store(word_.load(std::memory_order_relaxed) & ~phase_mask", mistake::delay}));
  CHECK(model::catches<exclusive>("waiter", {header, "asymmetric_fence::light();", mistake::relax}));
  CHECK(model::catches<exclusive>("waiter",
                                  {header, "if (inside_.load(std::memory_order_acquire) != outside)", mistake::relax}));
  CHECK(model::catches<exclusive>("waiter", {source, "asymmetric_fence::heavy();", mistake::relax}));
  CHECK(model::catches<two_exclusive>(
      "waiter", {source, "if ((word_.load(std::memory_order_acquire) & phase_mask) == exclusive)", mistake::relax}));
  CHECK(model::catches<exclusive>("waiter",
                                  {source, "inside_.store(outside, std::memory_order_release);", mistake::relax}));
  CHECK(model::catches<exclusive>(
      "waiter", {source, "while (inside_.load(std::memory_order_acquire) != outside)", mistake::relax}));
  CHECK(model::catches<cancelled>("waiter", {"sched/park.cpp", "asymmetric_fence::light();", mistake::relax, 1}));
  CHECK(model::catches<cancelled>("waiter", {"sched/task.cpp", "asymmetric_fence::heavy();", mistake::relax}));
}

TEST_CASE("waiter: mutants of an open wait are caught") {
  using model::mistake;
  constexpr const char* header = "sched/waiter.h";
  CHECK(model::catches<open_cancel>("waiter",
                                    {header, "word_.store(ticket, std::memory_order_release);", mistake::relax}));
  CHECK(model::catches<beside_root>("waiter",
                                    {header, "word_.store(ticket, std::memory_order_release);", mistake::omit}));
  CHECK(model::catches<timed>("waiter", {header, "word_.compare_exchange_strong(word, (ticket", mistake::tear}));
  CHECK(model::catches<open_cancel>("waiter", {"sched/park.cpp", "asymmetric_fence::light();", mistake::relax, 2}));
  CHECK(model::catches<open_cancel>("waiter", {"sched/task.cpp", "asymmetric_fence::heavy();", mistake::relax}));
  CHECK(model::catches<beside_root>(
      "waiter", {"sched/park.cpp", "state.pending.store(false, std::memory_order_release);", mistake::relax}));
  CHECK(model::catches<beside_root>(
      "waiter", {"sched/open_wait.h", "if (state.pending.load(std::memory_order_acquire))", mistake::relax}));
}
