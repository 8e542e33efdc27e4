// The decision of a wait: rivals come at the same time, exactly one wins, and the owner learns which.
#include "sched/waiter.h"

#include "sched/thread_block.h"
#include "sched/wait_queue.h"
#include "test/support/topologies.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

using namespace csp::detail;

namespace {

constexpr auto reason_of_node(std::uint32_t index) {
  return static_cast<wake_reason>(static_cast<std::uint32_t>(wake_reason::first_case) + index);
}

// Where all meet before and after a round. Not std::barrier: that of libstdc++ 12 can lose an arrival, and all wait.
class meeting_point {
 public:
  explicit meeting_point(std::size_t size) : size_(size) {}
  void arrive_and_wait() {
    const int round = round_.load();
    if (arrived_.fetch_add(1) + 1 == size_) {
      arrived_.store(0);
      round_.store(round + 1);
      round_.notify_all();
      return;
    }
    for (int spin = 0; spin < 64 && round_.load() == round; ++spin) {
      cpu_relax();
    }
    round_.wait(round);  // asleep: on a busy machine a yield may cost a time slice
  }

 private:
  const std::size_t size_;
  std::atomic<std::size_t> arrived_{0};
  std::atomic<int> round_{0};
};

// Lets the rivals loose on every round at once; `prepare` before, `judge(winners)` after it, on the caller's thread.
void contest(std::size_t rounds, const std::function<void()>& prepare, const std::vector<std::function<bool()>>& rivals,
             const std::function<void(const std::vector<bool>& won)>& judge) {
  meeting_point gate(rivals.size() + 1);
  std::vector<char> results(rivals.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < rivals.size(); ++i) {
    threads.emplace_back([&, i] {
      for (std::size_t round = 0; round < rounds; ++round) {
        gate.arrive_and_wait();
        results[i] = rivals[i]() ? 1 : 0;
        gate.arrive_and_wait();
      }
    });
  }
  for (std::size_t round = 0; round < rounds; ++round) {
    prepare();
    gate.arrive_and_wait();
    gate.arrive_and_wait();
    judge({results.begin(), results.end()});
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

}  // namespace

TEST_CASE("waiter: an open wait is decided once") {
  thread_block subject;
  const std::uint64_t ticket = subject.next_ticket();
  CHECK_FALSE(subject.claim(ticket, wake_reason::timeout));  // not yet published
  subject.publish_open(ticket, true);
  CHECK(subject.claim(ticket, wake_reason::timeout));
  CHECK(subject.outcome() == wake_reason::timeout);
  CHECK_FALSE(subject.claim(ticket, wake_reason::first_case));
  CHECK_FALSE(subject.cancel_wait());
  CHECK(subject.outcome() == wake_reason::timeout);
}

TEST_CASE("waiter: a rival of an earlier wait comes too late") {
  thread_block subject;
  const std::uint64_t stale = subject.next_ticket();
  subject.publish_open(stale, true);
  REQUIRE(subject.claim(stale, wake_reason::first_case));
  const std::uint64_t fresh = subject.next_ticket();
  CHECK(fresh != stale);
  subject.publish_open(fresh, true);
  CHECK_FALSE(subject.claim(stale, wake_reason::timeout));
  CHECK(subject.claim(fresh, wake_reason::timeout));
}

TEST_CASE("waiter: a wait that is not cancellable is left alone") {
  thread_block subject;
  subject.publish_open(subject.next_ticket(), false);
  CHECK_FALSE(subject.cancel_wait());
  spinlock lock(lock_rank::channel);
  wait_queue queue;
  wait_node& node = subject.prepare_own(nullptr);
  queue.push(node);
  subject.prepare_exclusive(queue, lock);
  static_cast<void>(subject.publish_exclusive(false));
  CHECK_FALSE(subject.cancel_wait());
  CHECK(node.linked);
  subject.leave_exclusive();
  queue.remove(node);
}

TEST_CASE("waiter: a cancelled exclusive wait has left its queue") {
  thread_block subject;
  spinlock lock(lock_rank::channel);
  wait_queue queue;
  queue.push(subject.prepare_own(nullptr));
  subject.prepare_exclusive(queue, lock);
  static_cast<void>(subject.publish_exclusive(true));
  CHECK(subject.cancel_wait());
  CHECK(subject.outcome() == wake_reason::canceled);
  CHECK(queue.empty());
  CHECK_FALSE(subject.cancel_wait());
  subject.leave_exclusive();
  CHECK_FALSE(subject.cancel_wait());
}

TEST_CASE("waiter: of a timeout, a canceller and two peers, one wins an open wait") {
  thread_block subject;
  std::uint64_t ticket = 0;
  std::array<std::size_t, 4> wins{};
  std::size_t wrong = 0;
  contest(
      csp_test::scaled(20'000),
      [&] {
        ticket = subject.next_ticket();
        subject.publish_open(ticket, true);
      },
      {[&] { return subject.claim(ticket, wake_reason::timeout); }, [&] { return subject.cancel_wait(); },
       [&] { return subject.claim(ticket, reason_of_node(0)); },
       [&] { return subject.claim(ticket, reason_of_node(5)); }},
      [&](const std::vector<bool>& won) {
        const std::array reasons{wake_reason::timeout, wake_reason::canceled, reason_of_node(0), reason_of_node(5)};
        std::size_t winners = 0;
        for (std::size_t i = 0; i < won.size(); ++i) {
          winners += won[i] ? 1U : 0U;
          wins[i] += won[i] ? 1U : 0U;
          wrong += won[i] && subject.outcome() != reasons[i] ? 1U : 0U;
        }
        wrong += winners != 1 ? 1U : 0U;
      });
  INFO("timeout " << wins[0] << ", canceller " << wins[1] << ", peers " << wins[2] << " and " << wins[3]);
  CHECK(wrong == 0);
}

TEST_CASE("waiter: of two cancellers and a peer, one wins an exclusive wait") {
  thread_block subject;
  spinlock lock(lock_rank::channel);
  wait_queue queue;
  wait_node& node = subject.prepare_own(nullptr);
  std::array<std::size_t, 3> wins{};
  std::size_t wrong = 0;
  contest(
      csp_test::scaled(20'000),
      [&] {
        const spinlock_guard guard(lock);
        queue.push(subject.prepare_own(nullptr));
        subject.prepare_exclusive(queue, lock);
        static_cast<void>(subject.publish_exclusive(true));
      },
      {[&] { return subject.cancel_wait(); }, [&] { return subject.cancel_wait(); },
       [&] {
         const spinlock_guard guard(lock);
         return queue.pop_winner() != nullptr;
       }},
      [&](const std::vector<bool>& won) {
        std::size_t winners = 0;
        for (std::size_t i = 0; i < won.size(); ++i) {
          winners += won[i] ? 1U : 0U;
          wins[i] += won[i] ? 1U : 0U;
        }
        // A canceller that finds another one at work goes away, and that one or the peer wins.
        wrong += winners != 1 ? 1U : 0U;
        wrong += won[2] != (subject.outcome() == reason_of_node(0)) ? 1U : 0U;
        wrong += node.linked ? 1U : 0U;
        subject.leave_exclusive();
      });
  INFO("cancellers " << wins[0] << " and " << wins[1] << ", peer " << wins[2]);
  CHECK(wrong == 0);
}

TEST_CASE("waiter: the owner leaves while a canceller looks; the queue and its lock may go at once") {
  const std::size_t rounds = csp_test::scaled(50'000);
  thread_block subject;
  std::atomic<bool> over{false};
  std::size_t cancelled = 0;
  std::thread canceller([&] {
    while (!over.load()) {
      if (subject.cancel_wait()) {
        ++cancelled;
        subject.parker.unpark();
      }
    }
  });
  std::size_t ended = 0;
  for (std::size_t round = 0; round < rounds; ++round) {
    struct object {
      spinlock lock{lock_rank::channel};
      wait_queue queue;
    };
    auto frame = std::make_unique<object>();
    frame->lock.lock();
    frame->queue.push(subject.prepare_own(nullptr));
    subject.prepare_exclusive(frame->queue, frame->lock);
    static_cast<void>(subject.publish_exclusive(true));
    frame->lock.unlock();
    bool mine = false;
    {
      const spinlock_guard guard(frame->lock);
      mine = frame->queue.pop_winner() != nullptr;
    }
    if (!mine) {
      while (!subject.parker.park_until(never)) {
      }
    }
    subject.leave_exclusive();
    frame.reset();
    ++ended;
  }
  over.store(true);
  canceller.join();
  INFO("cancelled: " << cancelled);
  CHECK(ended == rounds);
}
