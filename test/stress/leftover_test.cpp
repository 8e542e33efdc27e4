// The function given to csp::run returns while tasks live: blocked in each kind of wait, not started yet, or unwinding
// through destructors that use channels themselves. All of them end, their destructors run, and only then run returns.
#include "test/support/ledger.h"
#include "test/support/topologies.h"

#include <chrono>
#include <mutex>
#include <thread>

using namespace std::chrono_literals;
using csp_test::expectations;

namespace {

// What one task of the crowd leaves behind.
struct tally {
  std::atomic<int> alive{0};  // callables and locals that are not destroyed
  std::atomic<int> started{0};
  std::atomic<int> canceled{0};  // waits that threw
  std::atomic<int> returned{0};  // waits that did not
};

struct witness {
  tally* counts;
  explicit witness(tally& target) : counts(&target) { counts->alive.fetch_add(1); }
  witness(witness&& other) noexcept : counts(std::exchange(other.counts, nullptr)) {}
  witness(const witness&) = delete;
  witness& operator=(const witness&) = delete;
  witness& operator=(witness&&) = delete;
  ~witness() {
    if (counts != nullptr) {
      counts->alive.fetch_sub(1);
    }
  }
};

// What the waits are in; outlives the run.
struct things {
  csp::chan<int> empty;
  csp::chan<int> full{1};
  csp::chan<void> signal;
  csp::semaphore permits{0};
  csp::wait_group group{1};
  csp::mutex lock;
  csp::condition_variable changed;
  csp::mutex held_lock;
};

constexpr int waits = 19;

void wait_somehow(things& on, int kind) {
  switch (kind) {
    case 0:
      static_cast<void>(on.empty.recv());
      break;
    case 1:
      on.full.send(1);
      break;
    case 2:
      static_cast<void>(csp::chan<int>(csp::nil).recv());
      break;
    case 3:
      csp::select(csp::on_recv(on.empty), csp::on_send(on.full, 1), csp::on_recv(on.signal));
      break;
    case 4:
      csp::select(csp::on_recv(on.empty), csp::on_timeout(1h));
      break;
    case 5:
      csp::select();
      break;
    case 6:
      csp::sleep_for(1h);
      break;
    case 7:
      csp::sleep_for(std::chrono::nanoseconds::max());
      break;
    case 8:
      on.permits.acquire();
      break;
    case 9:
      static_cast<void>(on.permits.try_acquire_for(1h));
      break;
    case 10:
      on.group.wait();
      break;
    case 11: {
      std::unique_lock held(on.lock);
      on.changed.wait(held);
      break;
    }
    case 12: {
      std::unique_lock held(on.lock);
      on.changed.wait_for(held, 1h);
      break;
    }
    case 13: {
      auto child = csp::spawn([&on] { return on.empty.recv().has_value(); });
      child.join();
      break;
    }
    case 14: {
      // A mutex is no cancellation point: its waiters get it one after the other, and end at their next wait.
      const std::lock_guard held(on.held_lock);
      csp::sleep_for(1h);
      break;
    }
    case 15:
      for (;;) {
        csp::yield();
      }
    case 16:
      // An answer, not an exception; the wait after it throws.
      if (on.empty.recv_for(1h).status == csp::op_status::canceled) {
        csp::yield();
      }
      break;
    case 17:
      // A call that has started runs to its end.
      csp::blocking([] { std::this_thread::sleep_for(1ms); });
      csp::sleep_for(1h);
      break;
    default:
      for (int value : on.empty) {
        static_cast<void>(value);
      }
      break;
  }
}

}  // namespace

TEST_CASE("tasks that live when run's function returns end in order, whatever they wait for") {
  const csp_test::footprint before = csp_test::footprint::now();
  for (const unsigned processors : {1U, 2U, 4U, 8U}) {
    CAPTURE(processors);
    expectations expect;
    const std::size_t rounds = csp_test::scaled(500);
    for (std::size_t round = 0; round < rounds; ++round) {
      things on;
      static_cast<void>(on.full.try_send(0));
      tally counts;
      constexpr int tasks = 3 * waits;
      csp::options options;
      options.processors = processors;
      csp::run(options, [&] {
        for (int i = 0; i < tasks; ++i) {
          csp::go([&on, &counts, i, mine = witness(counts)] {
            counts.started.fetch_add(1);
            const witness local(counts);
            try {
              wait_somehow(on, i % waits);
              counts.returned.fetch_add(1);
            } catch (const csp::canceled&) {
              counts.canceled.fetch_add(1);
              throw;
            }
          });
          if (round % 3 == 1) {
            csp::yield();
          }
        }
        // Sometimes all of them wait, sometimes few have started, sometimes none.
        if (round % 3 == 2) {
          csp::sleep_for(std::chrono::microseconds(round % 100));
        }
      });
      expect(counts.alive.load() == 0, "every callable and every local was destroyed");
      expect(counts.returned.load() == 0, "none of the waits came to an end of its own");
      expect(counts.canceled.load() == counts.started.load(), "each wait threw canceled");
      expect(on.lock.try_lock() && on.held_lock.try_lock(), "the mutexes are free");
      on.lock.unlock();
      on.held_lock.unlock();
      expect(!on.permits.try_acquire(), "no permit appeared");
      expect(on.full.size() == 1 && on.empty.size() == 0, "the channels are as they were");
    }
    expect.verify();
  }
  CHECK(csp_test::footprint::settled(before) == before);
}

TEST_CASE("tasks that unwind talk to each other in their destructors") {
  for (const unsigned processors : {1U, 2U, 4U, 8U}) {
    CAPTURE(processors);
    expectations expect;
    const std::size_t rounds = csp_test::scaled(1'500);
    for (std::size_t round = 0; round < rounds; ++round) {
      constexpr int pairs = 6;
      std::atomic<int> said{0};
      std::atomic<int> heard{0};
      const csp::chan<int> never_sent;
      // The last words of one task are heard in the destructor of another: nothing throws while a task unwinds.
      struct speaker {
        csp::chan<int> to;
        std::atomic<int>& said;
        ~speaker() {
          csp::sleep_for(1us);
          to.send(7);
          csp::yield();
          said.fetch_add(1);
        }
      };
      struct listener {
        csp::chan<int> from;
        std::atomic<int>& heard;
        ~listener() {
          const csp::chan<int> other;
          int got = 0;
          csp::select(csp::on_recv(other),
                      csp::on_recv(from, [&](std::optional<int> value) { got = value.value_or(0); }));
          heard.fetch_add(got == 7 ? 1 : 0);
        }
      };
      csp::options options;
      options.processors = processors;
      csp::run(options, [&] {
        csp::wait_group ready;
        for (int i = 0; i < pairs; ++i) {
          const csp::chan<int> line(static_cast<std::size_t>(i % 2));
          ready.add(2);
          csp::go([&, line] {
            const speaker last_words{line, said};
            ready.done();
            static_cast<void>(never_sent.recv());
          });
          csp::go([&, line] {
            const listener last_ear{line, heard};
            ready.done();
            static_cast<void>(never_sent.recv());
          });
        }
        ready.wait();
      });
      expect(said.load() == pairs && heard.load() == pairs, "every last word was said and heard");
    }
    expect.verify();
  }
}

TEST_CASE("tasks spawned while run is over, by tasks that unwind and by threads, end too") {
  for (const unsigned processors : {1U, 2U, 4U}) {
    CAPTURE(processors);
    expectations expect;
    const std::size_t rounds = csp_test::scaled(1'500);
    for (std::size_t round = 0; round < rounds; ++round) {
      tally counts;
      struct spawner {
        tally& counts;
        ~spawner() {
          for (int i = 0; i < 3; ++i) {
            csp::go([mine = witness(counts)] { csp::yield(); });
          }
          auto child = csp::spawn([mine = witness(counts)] { return 1; });
          try {
            static_cast<void>(child.join());
          } catch (const csp::canceled&) {
            counts.canceled.fetch_add(1);
          }
        }
      };
      csp::options options;
      options.processors = processors;
      csp::run(options, [&] {
        csp::wait_group ready(2);
        for (int i = 0; i < 2; ++i) {
          csp::go([&] {
            const spawner late{counts};
            ready.done();
            csp::sleep_for(1h);
          });
        }
        ready.wait();
      });
      expect(counts.alive.load() == 0, "every callable was destroyed");
      expect(counts.canceled.load() == 2, "a task spawned after the end is cancelled before it starts");
    }
    expect.verify();
  }
}
