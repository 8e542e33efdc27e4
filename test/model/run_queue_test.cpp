// The stealable ring: every item that was pushed is taken once, and its taker sees what its pusher wrote.
#include "sched/run_queue.h"

#include "test/model/model.h"
#include "test/support/catch.h"

#include <array>
#include <cstdint>

namespace {

using csp::detail::run_queue;

struct item {
  model::plain<int> payload;
  int taken = 0;  // how often; looked at when all is over
};

// The owner pushes and pops, thieves steal; the ring goes round, so that slots are written again. Its indices start at
// the end of their range.
template <std::uint32_t Capacity, unsigned Thieves, unsigned Items, std::uint32_t Limit>
struct ring {
  static constexpr unsigned threads = 1 + Thieves;

  run_queue<item, Capacity> queue;
  std::array<item, Items> items;
  unsigned pushed = 0;

  void take(item** taken, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
      model::check(taken[i] != nullptr, "a slot was read before it was written");
      model::check(taken[i]->payload.get() == 7, "an old payload");
      model::check(++taken[i]->taken == 1, "an item is taken twice");
    }
  }

  void run(unsigned thread) {
    item* taken[Capacity];
    if (thread != 0) {
      take(taken, queue.steal(taken, Limit));
      return;
    }
    for (item& each : items) {
      each.payload.set(7);
      while (!queue.push(&each)) {
        take(taken, queue.pop(taken, 1));
      }
      ++pushed;
    }
    take(taken, queue.pop(taken, 1));
  }

  void finish() {
    item* taken[Capacity];
    while (const std::uint32_t count = queue.pop(taken, Capacity)) {
      take(taken, count);
    }
    for (const item& each : items) {
      model::check(each.taken == 1, "an item is lost");
    }
  }
};

using one_thief = ring<2, 1, 3, 2>;
using two_thieves = ring<2, 2, 3, 2>;
using batches = ring<4, 1, 5, 4>;

}  // namespace

TEST_CASE("run_queue: no item is lost, taken twice or seen too early") {
  CHECK(model::passes<one_thief>("run_queue: owner and thief"));
  CHECK(model::passes<two_thieves>("run_queue: owner and two thieves"));
  CHECK(model::passes<batches>("run_queue: batches"));
}

TEST_CASE("run_queue: mutants are caught") {
  using model::mistake;
  CHECK(model::catches<one_thief>("run_queue", {"sched/run_queue.h", "tail_.store(tail + 1", mistake::relax}));
  CHECK(
      model::catches<one_thief>("run_queue", {"sched/run_queue.h", "slots_[tail % Capacity].store(", mistake::delay}));
  CHECK(model::catches<one_thief>("run_queue", {"sched/run_queue.h", "head_.compare_exchange_weak(", mistake::tear}));
  CHECK(
      model::catches<two_thieves>("run_queue", {"sched/run_queue.h", "head_.compare_exchange_weak(", mistake::relax}));
  // [RQ1] cannot be missed here: without it a slot's load would have to see a store that comes later, which the model
  // has not (memory.h).
  CHECK(model::catches<one_thief>(
      "run_queue",
      {"sched/run_queue.h", "return take(items, limit, tail_.load(std::memory_order_acquire)", mistake::relax}));
}
