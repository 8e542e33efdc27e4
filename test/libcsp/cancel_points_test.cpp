// Cancellation at every kind of wait: the operation throws, what it waited in is as if it had never come, destructors
// run.
#include "test/support/topologies.h"

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

using csp_test::expectations;
using csp_test::on_each_topology;
using namespace std::chrono_literals;

namespace {

/// What the waits below wait in; lives longer than they do.
struct things {
  csp::chan<int> unbuffered;
  csp::chan<int> full = csp::chan<int>(1);
  csp::chan<int> empty = csp::chan<int>(4);
  csp::chan<void> signals;
  csp::semaphore tokens{0};
  csp::wait_group group{1};
  csp::mutex lock;
  csp::condition_variable condition;
  csp::join_handle<void> other;
};

// The forms with a limit tell in their answer.
void throw_if_canceled(csp::op_status status) {
  if (status == csp::op_status::canceled) {
    throw csp::canceled();
  }
}

struct wait {
  const char* name;
  std::function<void(things&)> body;
};

const std::vector<wait>& all_waits() {
  static const std::vector<wait> result = {
      {"receive", [](things& t) { static_cast<void>(t.unbuffered.recv()); }},
      {"receive, buffered", [](things& t) { static_cast<void>(t.empty.recv()); }},
      {"send", [](things& t) { t.unbuffered.send(1); }},
      {"send, buffer full", [](things& t) { t.full.send(1); }},
      {"receive of nothing", [](things& t) { static_cast<void>(t.signals.recv()); }},
      {"receive with a limit", [](things& t) { throw_if_canceled(t.empty.recv_for(24h).status); }},
      {"send with a limit", [](things& t) { throw_if_canceled(t.full.send_for(1, 24h)); }},
      {"range-for",
       [](things& t) {
         for (const int value : t.empty) {
           static_cast<void>(value);
         }
       }},
      {"select",
       [](things& t) { csp::select(csp::on_recv(t.empty), csp::on_send(t.full, 1), csp::on_recv(t.signals)); }},
      {"select with a timeout", [](things& t) { csp::select(csp::on_recv(t.empty), csp::on_timeout(24h)); }},
      {"select of nothing", [](things&) { csp::select(csp::on_recv(csp::receiver<int>())); }},
      {"nil receive", [](things&) { static_cast<void>(csp::chan<int>(csp::nil).recv()); }},
      {"nil send", [](things&) { csp::chan<int>(csp::nil).send(1); }},
      {"sleep", [](things&) { csp::sleep_for(24h); }},
      {"sleep for ever", [](things&) { csp::sleep_for(std::chrono::nanoseconds::max()); }},
      {"yield",
       [](things&) {
         for (;;) {
           csp::yield();
         }
       }},
      {"join", [](things& t) { t.other.join(); }},
      {"semaphore", [](things& t) { t.tokens.acquire(); }},
      {"semaphore with a limit", [](things& t) { static_cast<void>(t.tokens.try_acquire_for(24h)); }},
      {"wait group", [](things& t) { t.group.wait(); }},
      {"wait group with a limit", [](things& t) { static_cast<void>(t.group.wait_for(24h)); }},
      {"condition",
       [](things& t) {
         std::unique_lock guard(t.lock);
         t.condition.wait(guard);
       }},
      {"condition with a limit",
       [](things& t) {
         std::unique_lock guard(t.lock);
         static_cast<void>(t.condition.wait_for(guard, 24h));
       }},
  };
  return result;
}

struct witness {
  std::atomic<int>& count;
  ~witness() { ++count; }
};

}  // namespace

TEST_CASE("cancel: every kind of wait throws csp::canceled, early and late") {
  on_each_topology([](expectations& expect, unsigned) {
    for (const wait& subject : all_waits()) {
      for (const auto delay : {0us, 50us, 2'000us}) {
        things t;
        csp::chan<void> gate;
        t.full.send(0);
        t.other = csp::spawn([=] { static_cast<void>(gate.recv()); });
        std::atomic<bool> started{false};
        std::atomic<int> destroyed{0};
        auto task = csp::spawn([&] {
          const witness local{destroyed};
          started = true;
          subject.body(t);
        });
        while (!started) {
          csp::yield();
        }
        if (delay != 0us) {
          csp::sleep_for(delay);
        }
        task.cancel();
        task.cancel();  // asks for the same
        const std::string name = std::string(subject.name) + " after " + std::to_string(delay.count()) + " us";
        try {
          task.join();
          expect(false, (name + ": returned").c_str());
        } catch (const csp::canceled&) {
          expect(destroyed == 1, (name + ": destructors").c_str());
        }
        // Nothing is left behind: the objects work for others.
        expect(t.unbuffered.try_send(1) == csp::op_status::would_block, (name + ": a receiver was left").c_str());
        int value = 9;
        expect(t.full.try_recv(value) == csp::op_status::ok && value == 0, (name + ": the buffered value").c_str());
        expect(t.full.try_recv(value) == csp::op_status::would_block, (name + ": a sender was left").c_str());
        expect(t.lock.try_lock(), (name + ": the mutex was left locked").c_str());
        t.lock.unlock();
        t.tokens.release();
        expect(t.tokens.try_acquire(), (name + ": the token went to a ghost").c_str());
        t.group.done();
        t.group.wait();
        gate.close();
        if (t.other.joinable()) {
          t.other.join();
        }
      }
    }
  });
}

TEST_CASE("cancel: a task that has not started is destroyed and not run") {
  on_each_topology([](expectations& expect, unsigned processors) {
    std::atomic<int> destroyed{0};
    std::atomic<int> ran{0};
    struct owned {
      std::atomic<int>* count;
      explicit owned(std::atomic<int>& counter) : count(&counter) {}
      owned(owned&& other) noexcept : count(std::exchange(other.count, nullptr)) {}
      owned& operator=(owned&&) = delete;
      ~owned() {
        if (count != nullptr) {
          ++*count;
        }
      }
    };
    int canceled = 0;
    for (int i = 0; i < 200; ++i) {
      auto task = csp::spawn([&ran, mine = owned(destroyed)] { ++ran; });
      task.cancel();
      try {
        task.join();
      } catch (const csp::canceled&) {
        ++canceled;
      }
    }
    expect(destroyed == 200, "every callable was destroyed once");
    expect(ran + canceled == 200, "run or cancelled, not both");
    expect(processors > 1 || canceled == 200, "on one processor none can have started");
  });
}

TEST_CASE("cancel: after the end, after a join, of nothing: does nothing") {
  on_each_topology([](expectations& expect, unsigned) {
    auto ended = csp::spawn([] { return 4; });
    while (csp::tasks().size() > 1) {
      csp::yield();
    }
    ended.cancel();
    expect(ended.join() == 4, "the value of a task that had ended");
    ended.cancel();
    csp::join_handle<void> nothing;
    nothing.cancel();
    // The cell is used again: a new task is not hit by an old request.
    for (int i = 0; i < 100; ++i) {
      expect(csp::spawn([i] {
               csp::yield();
               return i;
             }).join() == i,
             "a new task");
    }
  });
}

TEST_CASE("cancel: races with the wake; a value is received or stays in the channel") {
  on_each_topology([](expectations& expect, unsigned) {
    const int rounds = static_cast<int>(csp_test::scaled(3'000));
    int received = 0;
    int left = 0;
    for (int i = 0; i < rounds; ++i) {
      csp::chan<int> values(1);
      auto task = csp::spawn([=] { return values.recv().value_or(-1); });
      auto rival = csp::spawn([=] { values.send(7); });
      if (i % 3 != 0) {
        csp::yield();
      }
      task.cancel();
      rival.join();
      try {
        expect(task.join() == 7, "the value");
        ++received;
      } catch (const csp::canceled&) {
        int value = 0;
        expect(values.try_recv(value) == csp::op_status::ok && value == 7, "a cancelled receiver took the value");
        ++left;
      }
    }
    expect(received + left == rounds, "each round has one end");
  });
}
