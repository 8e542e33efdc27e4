// The idle protocol: nobody sleeps or rests over a task. What submitters and processors do here is what scheduler_core
// and processor::sleep() do with the idle set, the shipped parkers and one shipped list of tasks; the injector, whose
// queue is not ours, stands beside it as the count that it keeps.
#include "sched/idle.h"
#include "sched/base/asymmetric_fence.h"
#include "sched/base/parker.h"
#include "sched/task_list.h"

#include "test/model/model.h"
#include "test/support/catch.h"

#include <array>

namespace {

using namespace csp::detail;

struct sleeper {
  idle_entry entry;
  futex_parker parker;
  bool searching = false;
};

class shared_queues {
 public:
  // `processors`: how many sleepers and processors that never sleep there are.
  explicit shared_queues(std::uint32_t processors) : processors_(processors) {}

  // A plain thread that makes a task ready, or spawns one, which goes through the injector.
  void submit(task& item, bool spawned) {
    if (spawned) {
      injected_.fetch_add(1, std::memory_order_seq_cst);  // as injector::push()
      spawned_ = &item;
    } else {
      ready_outside_.push(&item);
    }
    notify_from_outside();
  }
  // A processor that has more than it runs.
  void submit_from_processor(task& item) {
    ready_outside_.push(&item);
    asymmetric_fence::light();
    if (idle_.needs_wake()) {
      wake_one();
    }
  }

  // A processor that searches already has found work somewhere, and computes for ever; but first it spawns a task.
  void begin_search() { model::check(idle_.try_begin_search(processors_), "the first searcher is refused"); }
  void find_work() {
    if (idle_.end_search()) {
      pass_on_search();
    }
  }

  // A processor that is asleep, until its timer wakes it.
  void lie_down(sleeper& self) { static_cast<void>(idle_.park(self.entry, false)); }
  void rise(sleeper& self) { self.searching = !idle_.leave(self.entry); }

  // Until it has run one task.
  void run_processor(sleeper& self) {
    self.entry.self = reinterpret_cast<processor*>(&self);
    while (!step(self)) {
      sleep(self);
    }
  }
  // The same for one that rests among its timers instead.
  void run_resting(sleeper& self) {
    while (!step(self)) {
      rest(self);
    }
  }

 private:
  static void wake(processor* woken) {
    if (woken != nullptr) {
      reinterpret_cast<sleeper*>(woken)->parker.unpark();
    }
  }
  void wake_one() { wake(idle_.take_to_wake()); }

  void notify_from_outside() {
    full_fence();
    processor* woken = idle_.take_to_wake();
    if (woken == nullptr && idle_.searchers() == 0) {
      woken = idle_.take_resting();
    }
    wake(woken);
  }

  [[nodiscard]] bool has_shared() const {
    return ready_outside_.size() != 0 || injected_.load(std::memory_order_acquire) != 0;
  }

  void pass_on_search() {
    full_fence();
    if (has_shared()) {
      notify_from_outside();
    } else if (idle_.parked() + 1 < processors_) {
      wake_one();
    }
  }

  task* take() {
    task* item = nullptr;
    if (ready_outside_.pop(&item, 1) != 0) {
      return item;
    }
    if (injected_.load(std::memory_order_acquire) != 0) {
      item = std::exchange(spawned_, nullptr);
      if (item != nullptr) {
        injected_.fetch_sub(1, std::memory_order_seq_cst);
      }
    }
    return item;
  }

  bool step(sleeper& self) {
    task* item = take();
    if (item == nullptr && !self.searching && idle_.try_begin_search(processors_)) {
      self.searching = true;
      item = take();
    }
    if (item != nullptr && self.searching) {
      self.searching = false;
      if (idle_.end_search()) {
        pass_on_search();
      }
    }
    return item != nullptr;
  }

  void sleep(sleeper& self) {
    const bool everything = idle_.park(self.entry, self.searching);
    self.searching = false;
    if (idle_.parked() < processors_) {
      asymmetric_fence::heavy();
    } else {
      full_fence();
    }
    if (!everything || !has_shared()) {
      static_cast<void>(self.parker.park_until(never));
    }
    self.searching = !idle_.leave(self.entry);
  }

  void rest(sleeper& self) {
    if (std::exchange(self.searching, false)) {
      find_work();
    }
    auto& resting = reinterpret_cast<processor&>(self);
    idle_.begin_rest(resting);
    full_fence();
    if (!has_shared()) {
      static_cast<void>(self.parker.park_until(never));
    }
    idle_.end_rest(resting);
  }

  const std::uint32_t processors_;
  idle_set idle_;
  task_list ready_outside_;
  atomic<std::uint32_t> injected_{0};
  task* spawned_ = nullptr;
};

enum class how { made_ready, spawned, by_processor };

// As many sleepers as tasks: each runs one, so a task over which somebody sleeps is a deadlock.
template <unsigned Processors, how How>
struct submit_and_sleep {
  static constexpr unsigned threads = Processors + 1;
  std::array<task, Processors> tasks;
  std::array<sleeper, Processors> sleepers;
  shared_queues queues{How == how::by_processor ? Processors + 1 : Processors};

  void run(unsigned thread) {
    if (thread != Processors) {
      queues.run_processor(sleepers[thread]);
      return;
    }
    for (task& each : tasks) {
      if constexpr (How == how::by_processor) {
        queues.submit_from_processor(each);
      } else {
        queues.submit(each, How == how::spawned);
      }
    }
  }
  void finish() {}
};

// One finds work, and there is more; another one, who may not search beside it, goes to sleep meanwhile.
template <how How>
struct find_and_sleep {
  static constexpr unsigned threads = How == how::by_processor ? 2 : 3;
  task spawned;
  sleeper other;
  shared_queues queues{2};

  find_and_sleep() { queues.begin_search(); }
  void run(unsigned thread) {
    if (thread == 0) {
      queues.run_processor(other);
    } else if (How == how::by_processor) {
      queues.find_work();
      queues.submit_from_processor(spawned);
    } else if (thread == 1) {
      queues.find_work();
    } else {
      queues.submit(spawned, How == how::spawned);
    }
  }
  void finish() {}
};

// Both are in the list; one has been woken by its timer, spawns, and computes for ever.
struct rise_and_spawn {
  static constexpr unsigned threads = 2;
  task spawned;
  std::array<sleeper, 2> sleepers;
  shared_queues queues{2};

  rise_and_spawn() { queues.lie_down(sleepers[0]); }
  void run(unsigned thread) {
    if (thread == 0) {
      queues.rise(sleepers[0]);
      queues.submit_from_processor(spawned);
    } else {
      queues.run_processor(sleepers[1]);
    }
  }
  void finish() {}
};

// It rests; with a second one, that one has just found work and computes for ever.
template <unsigned Processors, how How>
struct submit_and_rest {
  static constexpr unsigned threads = Processors + 1;
  task item;
  sleeper resting;
  shared_queues queues{Processors};

  submit_and_rest() {
    if (Processors == 2) {
      queues.begin_search();
    }
  }
  void run(unsigned thread) {
    if (thread == 0) {
      queues.run_resting(resting);
    } else if (thread == 1) {
      queues.submit(item, How == how::spawned);
    } else {
      queues.find_work();
    }
  }
  void finish() {}
};

using alone = submit_and_sleep<1, how::made_ready>;
using spawned = submit_and_sleep<1, how::spawned>;
using beside_another = submit_and_sleep<1, how::by_processor>;
using two = submit_and_sleep<2, how::made_ready>;

}  // namespace

TEST_CASE("idle: nobody sleeps over a task") {
  CHECK(model::passes<alone>("idle: made ready from outside, one processor"));
  CHECK(model::passes<spawned>("idle: spawned from outside, one processor"));
  CHECK(model::passes<beside_another>("idle: by another processor"));
  CHECK(model::passes<find_and_sleep<how::by_processor>>("idle: one finds work and spawns, another goes to sleep"));
  CHECK(model::passes<rise_and_spawn>("idle: all sleep, one is woken by its timer and spawns"));
  CHECK(model::passes<submit_and_rest<1, how::made_ready>>("idle: made ready from outside, one processor that rests"));
  CHECK(model::passes<submit_and_rest<1, how::spawned>>("idle: spawned from outside, one processor that rests"));
  if (model::bound() > 1) {
    CHECK(
        model::passes<find_and_sleep<how::made_ready>>("idle: one finds work, another goes to sleep, a third submits"));
    CHECK(model::passes<two>("idle: two tasks, two processors"));
    CHECK(model::passes<submit_and_rest<2, how::made_ready>>("idle: one finds work, another rests, a third submits"));
  }
}

TEST_CASE("idle: mutants are caught") {
  using model::mistake;
  constexpr const char* source = "sched/idle.cpp";
  constexpr const char* callers = "test/model/idle_test.cpp";
  CHECK(model::catches<alone>("idle", {callers, "full_fence();", mistake::relax, 1}));
  CHECK(model::catches<alone>("idle", {callers, "full_fence();", mistake::relax, 3}));
  CHECK(model::catches<beside_another>("idle", {callers, "asymmetric_fence::heavy();", mistake::relax, 1}));
  CHECK(model::catches<rise_and_spawn>("idle", {callers, "asymmetric_fence::heavy();", mistake::relax, 1}));
  CHECK(model::catches<beside_another>("idle", {callers, "asymmetric_fence::light();", mistake::relax, 1}));
  CHECK(model::catches<alone>("idle", {source, "word_.fetch_add(one_parked - leaving", mistake::omit}));
  using spawning = find_and_sleep<how::by_processor>;
  CHECK(model::catches<spawning>("idle",
                                 {source, "return searching(word_.fetch_add(one_parked - leaving", mistake::tear}));
  CHECK(model::catches<spawning>("idle", {source, "return searching(word_.fetch_sub(1", mistake::omit}));
  CHECK(model::catches<find_and_sleep<how::made_ready>>("idle", {callers, "full_fence();", mistake::relax, 2}));
  using resting = submit_and_rest<1, how::made_ready>;
  CHECK(model::catches<resting>("idle", {callers, "full_fence();", mistake::relax, 1}));
  CHECK(model::catches<resting>("idle", {callers, "full_fence();", mistake::relax, 4}));
  using beside_finder = submit_and_rest<2, how::made_ready>;
  CHECK(model::catches<beside_finder>("idle", {callers, "full_fence();", mistake::relax, 2}));
}
