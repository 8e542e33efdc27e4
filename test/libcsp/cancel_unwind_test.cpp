// What a cancelled task may still do: wait while it unwinds and in a shield; and what happens to one that swallows
// csp::canceled.
#include "test/sched/child.h"
#include "test/support/topologies.h"

#include <atomic>
#include <chrono>
#include <csignal>
#include <optional>
#include <stdexcept>

using csp_test::expectations;
using csp_test::on_each_topology;
using namespace std::chrono_literals;

namespace {

// Cancels `task` once `started`, and joins it: true when csp::canceled came out.
template <class R>
bool cancel_and_join(csp::join_handle<R>& task, const csp::chan<void>& started) {
  static_cast<void>(started.recv());
  task.cancel();
  try {
    static_cast<void>(task.join());
    return false;
  } catch (const csp::canceled&) {
    return true;
  }
}

}  // namespace

TEST_CASE("cancel: destructors of an unwinding task may wait, in every way") {
  struct patient {
    expectations& expect;
    const csp::chan<int>& there;
    const csp::chan<int>& back;
    csp::mutex& lock;
    int& done;
    ~patient() {
      try {
        there.send(1);
        expect(back.recv() == 2, "a receive in a destructor");
        csp::sleep_for(100us);
        csp::yield();
        const std::lock_guard guard(lock);
        csp::spawn([] { csp::yield(); }).join();
        expect(csp::select(csp::on_recv(back), csp::on_timeout(100us)) == 1, "a select in a destructor");
        ++done;
      } catch (...) {
        expect(false, "a wait of an unwinding task threw");
      }
    }
  };
  on_each_topology([](expectations& expect, unsigned) {
    for (int round = 0; round < 20; ++round) {
      const csp::chan<int> there;
      const csp::chan<int> back;
      const csp::chan<void> started;
      csp::mutex lock;
      int done = 0;
      auto helper = csp::spawn([=] {
        static_cast<void>(there.recv());
        back.send(2);
        return true;
      });
      auto task = csp::spawn([&] {
        const patient local{expect, there, back, lock, done};
        started.send();
        csp::sleep_for(24h);
      });
      expect(cancel_and_join(task, started), "canceled");
      expect(done == 1, "the destructor ran to its end");
      expect(helper.join(), "the helper");
    }
  });
}

TEST_CASE("cancel: in a shield operations wait; after the outermost one the next point throws") {
  on_each_topology([](expectations& expect, unsigned) {
    const csp::chan<void> started;
    const csp::chan<int> values;
    std::atomic<int> steps{0};
    auto task = csp::spawn([&] {
      {
        const csp::shield outer;
        {
          const csp::shield inner;
          started.send();
          expect(values.recv() == 1, "a receive in two shields");
          ++steps;
        }
        expect(values.recv() == 2, "a receive in one shield");
        csp::sleep_for(1ms);
        ++steps;
      }
      ++steps;
      static_cast<void>(values.recv());
      steps += 100;
    });
    static_cast<void>(started.recv());
    task.cancel();
    csp::sleep_for(1ms);
    values.send(1);
    values.send(2);
    try {
      task.join();
      expect(false, "join returned");
    } catch (const csp::canceled&) {
      expect(steps == 3, "the point after the shield threw");
    }
  });
}

TEST_CASE("cancel: a task that swallows csp::canceled gets it again at its next point") {
  on_each_topology([](expectations& expect, unsigned) {
    const csp::chan<void> started;
    int swallowed = 0;
    auto task = csp::spawn([&] {
      started.send();
      for (int i = 0; i < 5; ++i) {
        try {
          csp::sleep_for(24h);
        } catch (...) {
          ++swallowed;
        }
      }
      return swallowed;
    });
    static_cast<void>(started.recv());
    task.cancel();
    // It ends with a value: nobody is forced to die.
    expect(task.join() == 5, "thrown at each point");
  });
}

TEST_CASE("cancel: in the handler of csp::canceled, which no longer unwinds, the next wait throws") {
  on_each_topology([](expectations& expect, unsigned) {
    const csp::chan<void> started;
    bool again = false;
    auto task = csp::spawn([&] {
      started.send();
      try {
        csp::sleep_for(24h);
      } catch (const csp::canceled&) {
        try {
          csp::sleep_for(24h);
        } catch (const csp::canceled&) {
          again = true;
        }
        throw;
      }
    });
    expect(cancel_and_join(task, started), "canceled");
    expect(again, "thrown in the handler");
  });
}

TEST_CASE("cancel: csp::canceled is no std::exception; another exception may replace it") {
  on_each_topology([](expectations& expect, unsigned) {
    const csp::chan<void> started;
    bool caught = false;
    auto task = csp::spawn([&] {
      started.send();
      try {
        csp::sleep_for(24h);
      } catch (const std::exception&) {
        caught = true;
      }
    });
    expect(cancel_and_join(task, started), "canceled");
    expect(!caught, "std::exception does not catch it");
    auto other = csp::spawn([&] {
      started.send();
      try {
        csp::sleep_for(24h);
      } catch (const csp::canceled&) {
        throw std::runtime_error("instead");
      }
    });
    static_cast<void>(started.recv());
    other.cancel();
    try {
      other.join();
      expect(false, "join returned");
    } catch (const std::runtime_error& error) {
      expect(std::string(error.what()) == "instead", "the exception that replaced it");
    }
  });
}

TEST_CASE("cancel: mutex::lock and a blocking call that has started are no cancellation points") {
  on_each_topology([](expectations& expect, unsigned) {
    const csp::chan<void> started;
    csp::mutex lock;
    lock.lock();
    auto locks = csp::spawn([&] {
      started.send();
      const std::lock_guard guard(lock);
      return 1;
    });
    static_cast<void>(started.recv());
    locks.cancel();
    csp::sleep_for(2ms);
    lock.unlock();
    expect(locks.join() == 1, "the lock was taken");

    const csp::chan<int> value;
    auto blocks = csp::spawn([&] {
      return csp::blocking([&] {
        started.send();
        return value.recv().value_or(-1);
      });
    });
    static_cast<void>(started.recv());
    blocks.cancel();
    csp::sleep_for(2ms);
    value.send(5);
    expect(blocks.join() == 5, "the call went to its end");
  });
}

TEST_CASE("cancel: of the joiner, whose handle stays good") {
  on_each_topology([](expectations& expect, unsigned) {
    const csp::chan<void> started;
    const csp::chan<void> gate;
    auto target = csp::spawn([=] {
      static_cast<void>(gate.recv());
      return 6;
    });
    bool joinable = false;
    auto joiner = csp::spawn([&] {
      started.send();
      try {
        static_cast<void>(target.join());
      } catch (const csp::canceled&) {
        joinable = target.joinable();
        throw;
      }
    });
    expect(cancel_and_join(joiner, started), "the joiner was cancelled");
    expect(joinable, "its handle is still joinable");
    gate.close();
    expect(target.join() == 6, "and gives the value to the next one");
  });
}

TEST_CASE("cancel: from a plain thread") {
  on_each_topology([](expectations& expect, unsigned) {
    const csp::chan<void> started;
    auto task = csp::spawn([=] {
      started.send();
      csp::sleep_for(24h);
    });
    const bool canceled = csp::blocking([&] { return cancel_and_join(task, started); });
    expect(canceled, "cancelled and joined by a thread");
  });
}

TEST_CASE("cancel: a shield that another task destroys ends the program") {
  const auto result = csp_test::in_child([] {
    csp::run([] {
      std::optional<csp::shield> made_here(std::in_place);
      csp::spawn([&] { made_here.reset(); }).join();
    });
  });
  INFO(result.text);
  CHECK(result.died_of(SIGABRT));
  CHECK(result.says("csp::shield"));
}

TEST_CASE("cancel: a callable that waits in its destructor, after its task has run to its end") {
  struct farewell {
    csp::chan<int> mailbox;
    bool alive = true;
    explicit farewell(csp::chan<int> to) : mailbox(std::move(to)) {}
    farewell(farewell&& other) noexcept : mailbox(other.mailbox), alive(std::exchange(other.alive, false)) {}
    farewell& operator=(farewell&&) = delete;
    ~farewell() {
      if (alive) {
        mailbox.send(7);
      }
    }
  };
  on_each_topology([](expectations& expect, unsigned) {
    const csp::chan<int> mailbox;
    const csp::chan<void> started;
    std::atomic<bool> go_on{false};
    const auto body = [&] {
      const csp::shield deaf;
      started.send();
      while (!go_on) {
        csp::yield();
      }
    };
    auto joinable = csp::spawn([&body, last = farewell(mailbox)] { body(); });
    static_cast<void>(started.recv());
    joinable.cancel();
    go_on = true;
    expect(mailbox.recv() == 7, "sent by the destructor");
    joinable.join();  // it had come to its end
  });
}
