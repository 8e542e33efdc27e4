// The owner's part of the run queue: Dekker's protocol between the owner, by light fences, and a thief with a heavy
// one.
#include "sched/local_queue.h"

#include "test/model/model.h"
#include "test/support/catch.h"

#include <array>

namespace {

using csp::detail::local_queue;

struct item {
  model::plain<int> payload;
  int taken = 0;
};

// A queue whose items must each be taken once, and be seen as they were when they were put in line.
template <unsigned Items>
struct account {
  local_queue<item> queue;
  std::array<item, Items> items;

  void take(item* taken) {
    model::check(taken != nullptr, "a thief has taken nothing for an item");
    model::check(taken->payload.get() == 7, "an old payload");
    model::check(++taken->taken == 1, "an item is taken twice");
  }

  void put(item& fresh) {
    fresh.payload.set(7);
    model::check(queue.push(&fresh), "full before its time");
  }

  void steal() {
    item* taken[local_queue<item>::capacity + 1];
    const std::uint32_t count = queue.steal(taken);
    for (std::uint32_t i = 0; i < count; ++i) {
      take(taken[i]);
    }
  }

  void finish() {
    while (item* const left = queue.pop(false)) {
      take(left);
    }
    for (const item& each : items) {
      model::check(each.taken == 1, "an item is lost");
    }
  }
};

// The owner fills and empties its queue while thieves look in; no item may be lost, taken twice or seen too early. Once
// every item was pushed, the owner wants all that is left.
template <unsigned Thieves, unsigned Items>
struct queue_and_thieves : account<Items> {
  static constexpr unsigned threads = 1 + Thieves;

  void run(unsigned thread) {
    if (thread != 0) {
      this->steal();
      return;
    }
    this->items[0].payload.set(7);
    model::check(this->queue.exchange_next(&this->items[0]) == nullptr, "an item out of nowhere");
    for (unsigned i = 1; i < Items; ++i) {
      this->put(this->items[i]);
    }
    if (item* const mine = this->queue.pop(true)) {
      this->take(mine);
    }
  }
};

// The owner takes a turn with the item that is not in line: it is inside from the one's leaving to the other's coming.
struct turn_and_thief : account<2> {
  static constexpr unsigned threads = 2;

  turn_and_thief() { put(items[0]); }

  void run(unsigned thread) {
    if (thread != 0) {
      steal();
    } else if (item* const next = queue.begin_turn()) {
      take(next);
      items[1].payload.set(7);
      queue.end_turn(&items[1]);
    } else {
      put(items[1]);
    }
  }
};

using one_item = queue_and_thieves<1, 1>;
using two_items = queue_and_thieves<1, 2>;
using two_thieves = queue_and_thieves<2, 1>;

}  // namespace

TEST_CASE("local_queue: owner and thief are never inside together") {
  CHECK(model::passes<one_item>("local_queue: one item"));
  CHECK(model::passes<two_items>("local_queue: two items"));
  CHECK(model::passes<two_thieves>("local_queue: two thieves"));
  CHECK(model::passes<turn_and_thief>("local_queue: a turn"));
}

TEST_CASE("local_queue: mutants are caught") {
  using model::mistake;
  constexpr const char* file = "sched/local_queue.h";
  CHECK(model::catches<one_item>("local_queue", {file, "asymmetric_fence::heavy();", mistake::relax}));
  CHECK(model::catches<one_item>("local_queue", {file, "asymmetric_fence::light();", mistake::relax, 1}));
  CHECK(model::catches<one_item>("local_queue",
                                 {file, "owner_inside_.store(1, std::memory_order_relaxed);", mistake::delay, 1}));
  CHECK(model::catches<one_item>("local_queue",
                                 {file, "thief_wants_.store(1, std::memory_order_relaxed);", mistake::delay}));
  CHECK(model::catches<one_item>("local_queue",
                                 {file, "owner_inside_.store(0, std::memory_order_release);", mistake::relax, 1}));
  CHECK(model::catches<one_item>("local_queue",
                                 {file, "if (owner_inside_.load(std::memory_order_acquire) == 0)", mistake::relax}));
  CHECK(model::catches<one_item>("local_queue",
                                 {file, "thief_wants_.store(0, std::memory_order_release);", mistake::relax}));
  CHECK(model::catches<one_item>("local_queue",
                                 {file, "if (thief_wants_.load(std::memory_order_acquire) != 0)", mistake::relax}));
  // A turn whose end publishes nothing.
  CHECK(model::catches<turn_and_thief>(
      "local_queue", {file, "owner_inside_.store(0, std::memory_order_release);", mistake::relax, 1}));
}
