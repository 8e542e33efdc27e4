// Tasks: trees of them, their cancellation in every kind of wait, timers, and calls that block.
#include "test/soak/scene.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace csp_test {
namespace {

using namespace std::chrono_literals;

std::size_t grow(unsigned depth, unsigned width) {
  if (depth == 0) {
    return 1;
  }
  std::vector<csp::join_handle<std::size_t>> children;
  for (unsigned i = 0; i < width; ++i) {
    children.push_back(csp::spawn([=] { return grow(depth - 1, width); }));
  }
  std::size_t sum = 0;
  for (auto& child : children) {
    sum += child.join();
  }
  return sum;
}

// What cancelled tasks wait for; nobody ever gives it.
struct waits {
  csp::chan<int> silent;
  csp::chan<int> full{1};
  csp::mutex lock;
  csp::condition_variable never;
  csp::semaphore none{0};
  csp::wait_group open{1};

  waits() { full.send(0); }

  void wait(unsigned kind) {
    switch (kind) {
      case 0:
        static_cast<void>(silent.recv());
        break;
      case 1:
        full.send(1);
        break;
      case 2:
        csp::sleep_for(1h);
        break;
      case 3:
        csp::select(csp::on_recv(silent), csp::on_send(full, 2), csp::on_timeout(1h));
        break;
      case 4:
        none.acquire();
        break;
      case 5: {
        std::unique_lock guard(lock);
        never.wait(guard);
        break;
      }
      case 6:
        open.wait();
        break;
      default:
        if (silent.recv_for(1h).status == csp::op_status::canceled) {
          throw csp::canceled();
        }
    }
  }
  static constexpr unsigned kinds = 8;
};

// Counts how many of its kind there are.
struct life {
  explicit life(std::atomic<std::ptrdiff_t>& count) : count_(&count) { ++*count_; }
  life(life&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
  life(const life&) = delete;
  life& operator=(const life&) = delete;
  life& operator=(life&&) = delete;
  ~life() {
    if (count_ != nullptr) {
      --*count_;
    }
  }
  std::atomic<std::ptrdiff_t>* count_;
};

}  // namespace

void trees_of_tasks(scene& here) {
  const unsigned width = 2 + here.chance.below(6);
  const unsigned depth = width > 4 ? 3 : 4;
  std::size_t leaves = 1;
  for (unsigned i = 0; i < depth; ++i) {
    leaves *= width;
  }
  const std::size_t rounds = scaled(20) + 1;
  crowd people(here);
  for (std::size_t i = 0; i < rounds; ++i) {
    // The tree grows where tasks are; a plain thread's goes to the scheduler in csp::run.
    people.add([&here, depth, width, leaves] { here.expect(grow(depth, width) == leaves, "every leaf is counted"); });
  }
  people.join();
}

void tasks_cancelled(scene& here) {
  const auto things = std::make_shared<waits>();
  std::atomic<std::ptrdiff_t> alive{0};
  std::atomic<std::size_t> canceled{0};
  const std::size_t count = scaled(400) + 8;
  std::vector<csp::join_handle<void>> tasks;
  for (std::size_t i = 0; i < count; ++i) {
    auto body = [&canceled, things, kind = here.chance.below(waits::kinds), held = life(alive)] {
      try {
        things->wait(kind);
      } catch (const csp::canceled&) {
        ++canceled;
        throw;
      }
    };
    tasks.push_back(here.chance.once_in(3) ? here.other.spawn(std::move(body)) : csp::spawn(std::move(body)));
    if (here.chance.once_in(16)) {
      csp::yield();
    }
  }
  std::size_t ended = 0;
  std::size_t unstarted = 0;
  for (auto& task : tasks) {
    task.cancel();
  }
  for (auto& task : tasks) {
    try {
      task.join();
    } catch (const csp::canceled&) {
      ++ended;
    }
  }
  unstarted = ended - canceled;
  here.expect(ended == count, "every task was cancelled");
  here.expect(unstarted <= count && alive == 0, "what they held is gone");
  here.expect(things->full.size() == 1 && things->silent.try_recv().status == csp::op_status::would_block,
              "they did nothing");
}

void timers_and_tickers(scene& here) {
  const unsigned members = 2 + here.chance.below(10);
  crowd people(here);
  for (unsigned i = 0; i < members; ++i) {
    people.add([&here, chance = dice(here.chance.word())]() mutable {
      csp::ticker beat(std::chrono::microseconds(100 + chance.below(900)));
      const csp::chan<int> quiet;
      const auto start = csp::clock::now();
      const std::size_t wanted = scaled(40) + 1;
      for (std::size_t seen = 0; seen < wanted;) {
        const auto before = csp::clock::now();
        const auto limit = std::chrono::microseconds(chance.below(2'000));
        switch (csp::select(csp::on_recv(beat.channel()), csp::on_recv(quiet), csp::on_timeout(limit))) {
          case 0:
            ++seen;
            break;
          case 2:
            here.expect(csp::clock::now() - before >= limit, "a timeout does not come early");
            break;
          default:
            here.expect(false, "nobody sends on the quiet channel");
        }
        if (chance.once_in(16)) {
          beat.reset(std::chrono::microseconds(50 + chance.below(500)));
        }
      }
      beat.stop();
      static_cast<void>(beat.channel().try_recv());
      here.expect(csp::select(csp::on_recv(beat.channel()), csp::on_timeout(1ms)) == 1, "no tick after stop");
      const auto alarm = csp::after(std::chrono::microseconds(chance.below(500)));
      here.expect(alarm.recv() >= start, "the alarm comes");
    });
  }
  people.join();
}

void blocking_calls(scene& here) {
  const std::size_t calls = scaled(100) + 1;
  std::atomic<std::size_t> sum{0};
  crowd people(here);
  for (std::size_t i = 1; i <= calls; ++i) {
    people.add([&, i] {
      sum += csp::blocking([i] {
        std::this_thread::yield();
        return i;
      });
    });
  }
  people.join();
  here.expect(sum == calls * (calls + 1) / 2, "every call was made once and its result came back");
}

}  // namespace csp_test
