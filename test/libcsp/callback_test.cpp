// csp::one_shot, csp::callback_channel and csp::callback: values from callbacks, and the ends of both halves.
#include "test/support/topologies.h"

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using csp::op_status;
using csp_test::expectations;
using csp_test::on_each_topology;
using namespace std::chrono_literals;

namespace {

/// A foreign library in C's style: one thread that calls back in the order in which it was asked.
class foreign_thread {
 public:
  using function = void (*)(void* context, int value);

  ~foreign_thread() { finish(); }
  void call_later(function what, void* context, int value) { calls_.push_back({what, context, value}); }
  void start() {
    thread_ = std::thread([this] {
      for (const call& each : calls_) {
        each.what(each.context, each.value);
      }
    });
  }
  void finish() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  struct call {
    function what;
    void* context;
    int value;
  };
  std::vector<call> calls_;
  std::thread thread_;
};

void complete(void* context, int value) { static_cast<void>(csp::callback<int>::adopt(context)(value)); }
void pass(void* context, int value) { static_cast<void>(csp::callback<int>::borrow(context)(value)); }
void forget(void* context, int) { static_cast<void>(csp::callback<int>::adopt(context)); }

/// What it passes is counted, so that a leak or a double destruction shows.
struct tracked {
  explicit tracked(std::atomic<int>& count) : alive(&count) { ++*alive; }
  tracked(tracked&& other) noexcept : alive(std::exchange(other.alive, nullptr)) {}
  tracked& operator=(tracked&& other) noexcept {
    std::swap(alive, other.alive);
    return *this;
  }
  ~tracked() {
    if (alive != nullptr) --*alive;
  }
  std::atomic<int>* alive;
};

}  // namespace

TEST_CASE("one_shot: a value from the caller's own stack, from another task and from a plain thread") {
  on_each_topology([](expectations& expect, unsigned) {
    csp::one_shot<int> own;
    expect(own.callback()(1) == op_status::ok, "called at once");
    expect(own.wait() == 1, "a call before the wait");

    csp::one_shot<std::string> from_task;
    csp::go([done = from_task.callback()] { static_cast<void>(done("text")); });
    expect(from_task.wait() == "text", "from a task");

    csp::one_shot<std::unique_ptr<int>> from_thread;
    std::thread thread([done = from_thread.callback()] { static_cast<void>(done(std::make_unique<int>(3))); });
    const auto value = from_thread.wait();
    expect(value && **value == 3, "from a thread");
    thread.join();

    csp::one_shot<void> signal;
    csp::go([done = signal.callback()] { static_cast<void>(done()); });
    expect(signal.wait(), "without a value");
    expect(!signal.wait(), "once");
  });
}

TEST_CASE("one_shot: only the first of many calls counts") {
  on_each_topology([](expectations& expect, unsigned) {
    for (int round = 0; round < static_cast<int>(csp_test::scaled(200)); ++round) {
      csp::one_shot<int> answer;
      std::atomic<int> accepted{0};
      std::atomic<int> winner{-1};
      csp::wait_group callers;
      for (int i = 0; i < 4; ++i) {
        callers.go([&, i, done = answer.callback()] {
          const op_status status = done(int{i});
          expect(status == op_status::ok || status == op_status::closed, "one of the two");
          if (status == op_status::ok) {
            ++accepted;
            winner = i;
          }
        });
      }
      const std::optional<int> value = answer.wait();
      callers.wait();
      expect(accepted == 1 && value == winner.load(), "exactly one");
      expect(answer.wait() == std::nullopt, "and no other");
      expect(answer.callback().is_closed(), "closed from then on");
    }
  });
}

TEST_CASE("one_shot: a callback that goes without a call ends the wait") {
  on_each_topology([](expectations& expect, unsigned) {
    csp::one_shot<int> answer;
    csp::go([done = std::optional(answer.callback())]() mutable {
      std::function<void(int)> copy = [inner = *done](int value) { static_cast<void>(inner(int{value})); };
      done.reset();
      csp::yield();
    });
    expect(answer.wait() == std::nullopt, "the last copy has gone");
    const csp::one_shot<void> signal;
    { const auto dropped = signal.callback(); }
    expect(!signal.wait(), "dropped at once");
    expect(csp::callback<int>()(1) == op_status::closed, "a callback for nobody");
  });
}

TEST_CASE("one_shot: limits, select and cancellation leave a callback that finds nobody") {
  on_each_topology([](expectations& expect, unsigned) {
    std::atomic<int> alive{0};
    csp::callback<tracked> late;
    {
      csp::one_shot<tracked> answer;
      late = answer.callback();
      expect(answer.wait_for(1ms).status == op_status::timeout, "nobody called");
      expect(answer.wait_until(csp::clock::now()).status == op_status::timeout, "still nobody");
      expect(csp::select(csp::on_recv(answer.receiver()), csp::on_timeout(1ms)) == 1, "in a select");
      expect(!late.is_closed(), "somebody may still wait");
    }
    tracked kept(alive);
    expect(late.is_closed() && late(std::move(kept)) == op_status::closed, "the waiter has gone");
    expect(kept.alive != nullptr, "the value stays with the caller");

    csp::chan<csp::callback<tracked>> handed(1);
    auto waiter = csp::spawn([=] {
      const csp::one_shot<tracked> answer;
      handed.send(answer.callback());
      static_cast<void>(answer.wait());
    });
    late = handed.recv().value();
    waiter.cancel();
    try {
      waiter.join();
      expect(false, "it was canceled");
    } catch (const csp::canceled&) {
    }
    expect(late(std::move(kept)) == op_status::closed, "the waiter was canceled");

    // A value that was accepted but never received goes with the last half.
    csp::callback<tracked> last;
    {
      csp::one_shot<tracked> answer;
      last = answer.callback();
      expect(last(std::move(kept)) == op_status::ok, "accepted");
    }
    expect(alive == 1, "kept by the channel");
    last = {};
    expect(alive == 0, "gone with it");
  });
}

TEST_CASE("callbacks in C's style: a reference travels as a void*") {
  on_each_topology([](expectations& expect, unsigned) {
    csp::one_shot<int> answer;
    csp::one_shot<int> dropped;
    csp::callback_channel<int> many(3);
    foreign_thread library;
    library.call_later(complete, answer.callback().release(), 7);
    library.call_later(forget, dropped.callback().release(), 0);
    void* const context = many.callback().release();
    for (int i = 0; i < 3; ++i) library.call_later(pass, context, i);
    library.call_later(forget, context, 0);
    library.start();
    expect(answer.wait() == 7, "called");
    expect(dropped.wait() == std::nullopt, "forgotten");
    int sum = 0;
    int count = 0;
    for (const int value : many.receiver()) {
      sum = 10 * sum + value;
      ++count;
    }
    expect(count == 3 && sum == 12, "all, in order, and the end");
    library.finish();
    csp::callback<int> nobody;
    expect(nobody.release() == nullptr, "nothing to give away");
    expect(csp::callback<int>::borrow(nullptr)(1) == op_status::closed, "nobody to call");
  });
}

TEST_CASE("callback_channel: full, closed and ended are seen on both sides") {
  on_each_topology([](expectations& expect, unsigned) {
    std::atomic<int> alive{0};
    csp::callback<tracked> notify;
    {
      csp::callback_channel<tracked> events(2);
      notify = events.callback();
      tracked value(alive);
      expect(notify(tracked(alive)) == op_status::ok && notify(tracked(alive)) == op_status::ok, "there is room");
      expect(notify(std::move(value)) == op_status::would_block && value.alive != nullptr, "full, and kept");
      expect(events.recv().has_value(), "makes room");
      expect(notify(std::move(value)) == op_status::ok && value.alive == nullptr, "room again");
      expect(alive == 2, "two wait");
      notify.close();
      expect(notify(tracked(alive)) == op_status::closed, "after the callback's own close");
      expect(events.recv().has_value() && events.recv().has_value() && !events.recv(), "what was passed, then the end");
    }
    expect(notify(tracked(alive)) == op_status::closed, "the waiting half has gone");
    expect(alive == 0, "nothing is left");

    csp::callback_channel<void> ticks(1);
    auto tick = ticks.callback();
    expect(tick() == op_status::ok && tick() == op_status::would_block, "signals");
    expect(ticks.recv(), "one of them");
    tick = {};
    expect(!ticks.recv(), "the end");
    const csp::callback_channel<int> meeting(0);
    expect(meeting.callback()(1) == op_status::would_block, "no room at all");
  });
}

TEST_CASE("callback_channel: many threads and tasks call, nothing is lost or made up") {
  on_each_topology([](expectations& expect, unsigned) {
    constexpr int callers = 8;
    const int calls = static_cast<int>(csp_test::scaled(5000));
    csp::callback_channel<int> values(16);
    std::array<std::atomic<long>, callers> accepted{};
    std::atomic<long> full{0};
    const auto call = [&](int id, const csp::callback<int>& notify) {
      for (int i = 0; i < calls; ++i) {
        switch (notify(int{id})) {
          case op_status::ok:
            ++accepted[static_cast<std::size_t>(id)];
            break;
          case op_status::would_block:
            ++full;
            break;
          default:
            expect(false, "neither");
        }
      }
    };
    std::vector<std::thread> threads;
    csp::wait_group tasks;
    auto first = values.callback();  // some callers have ended before the last one starts
    for (int id = 0; id < callers; ++id) {
      if (id % 2 == 0) {
        threads.emplace_back([&call, id, notify = values.callback()] { call(id, notify); });
      } else {
        tasks.go([&call, id, notify = values.callback()] { call(id, notify); });
      }
    }
    first = {};
    std::array<long, callers> received{};
    for (const int id : values.receiver()) {
      ++received[static_cast<std::size_t>(id)];
    }
    long all = 0;
    for (std::size_t id = 0; id < callers; ++id) {
      expect(received[id] == accepted[id], "as many as were accepted");
      all += received[id];
    }
    expect(all + full == static_cast<long>(callers) * calls, "each call has an answer");
    tasks.wait();
    csp::blocking([&] {
      for (std::thread& thread : threads) thread.join();
    });
  });
}

TEST_CASE("plain threads wait for callbacks too, with no scheduler at work") {
  csp::one_shot<int> answer;
  std::thread thread([done = answer.callback()] { static_cast<void>(done(5)); });
  CHECK(answer.wait() == 5);
  thread.join();
  csp::one_shot<int> moved_from;
  const csp::one_shot<int> moved(std::move(moved_from));
  CHECK(moved.callback()(6) == op_status::ok);
  CHECK(moved.wait() == 6);
}
