// Locks and counters: what they guard is plain memory, and the sums are exact.
#include "test/soak/scene.h"

#include <atomic>
#include <chrono>
#include <deque>
#include <mutex>
#include <optional>

namespace csp_test {

using namespace std::chrono_literals;

void locks_and_permits(scene& here) {
  const std::size_t each = scaled(500 + here.chance.below(2'000));
  const unsigned members = 2 + here.chance.below(6);
  const auto permits = static_cast<std::ptrdiff_t>(1 + here.chance.below(3));
  csp::mutex lock;
  std::size_t guarded = 0;  // guarded by lock
  csp::semaphore gate(permits);
  std::atomic<std::ptrdiff_t> inside{0};
  std::atomic<std::size_t> entered{0};
  csp::once first;
  std::atomic<int> firsts{0};
  std::atomic<std::size_t> admitted{0};
  crowd people(here);
  for (unsigned i = 0; i < members; ++i) {
    people.add([&, each, permits, chance = dice(here.chance.word())]() mutable {
      for (std::size_t round = 0; round < each; ++round) {
        first.call([&] { ++firsts; });
        if (chance.once_in(4) && lock.try_lock()) {
          const std::lock_guard guard(lock, std::adopt_lock);
          ++guarded;
        } else {
          const std::lock_guard guard(lock);
          ++guarded;
        }
        const bool in = chance.once_in(3)   ? gate.try_acquire_for(std::chrono::microseconds(chance.below(50)))
                        : chance.once_in(3) ? gate.try_acquire()
                                            : (gate.acquire(), true);
        if (in) {
          ++admitted;
          here.expect(++inside <= permits, "no more are inside than there are permits");
          if (chance.once_in(50)) {
            csp::yield();
          }
          --inside;
          ++entered;
          gate.release();
        }
      }
    });
  }
  people.join();
  here.expect(guarded == each * members, "every increment under the mutex counts");
  here.expect(firsts == 1, "once is once");
  here.expect(entered == admitted, "who came in went out");
  for (std::ptrdiff_t i = 0; i < permits; ++i) {
    here.expect(gate.try_acquire(), "every permit is back");
  }
  here.expect(!gate.try_acquire(), "and no more than there were");
}

void queue_of_a_condition(scene& here) {
  constexpr std::size_t room = 4;
  const std::size_t each = scaled(300 + here.chance.below(1'000));
  const unsigned pairs = 1 + here.chance.below(4);
  csp::mutex lock;
  csp::condition_variable changed;
  std::deque<std::size_t> queue;  // guarded by lock
  std::atomic<std::size_t> put{0};
  std::atomic<std::size_t> taken{0};
  std::atomic<std::size_t> late{0};
  crowd people(here);
  for (unsigned i = 0; i < pairs; ++i) {
    people.add([&, each] {
      for (std::size_t number = 1; number <= each; ++number) {
        std::unique_lock guard(lock);
        changed.wait(guard, [&] { return queue.size() < room; });
        queue.push_back(number);
        put += number;
        changed.notify_all();
      }
    });
    people.add([&, each, chance = dice(here.chance.word())]() mutable {
      for (std::size_t count = 0; count < each;) {
        std::unique_lock guard(lock);
        if (chance.once_in(3)) {
          if (!changed.wait_for(guard, 20us, [&] { return !queue.empty(); })) {
            ++late;
            continue;
          }
        } else {
          changed.wait(guard, [&] { return !queue.empty(); });
        }
        taken += queue.front();
        queue.pop_front();
        ++count;
        changed.notify_all();
      }
    });
  }
  people.join();
  here.expect(put == taken && put == pairs * each * (each + 1) / 2, "what was put was taken");
  here.expect(queue.empty(), "nothing is left");
}

}  // namespace csp_test
