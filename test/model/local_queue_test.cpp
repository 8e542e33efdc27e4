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

// The owner fills and empties its queue while thieves look in; no item may be lost, taken twice or seen too early. Once
// every item was pushed, the owner wants all that is left.
template <unsigned Thieves, unsigned Items>
struct queue_and_thieves {
  static constexpr unsigned threads = 1 + Thieves;

  local_queue<item> queue;
  std::array<item, Items> items;

  void take(item* taken) {
    model::check(taken->payload.get() == 7, "an old payload");
    model::check(++taken->taken == 1, "an item is taken twice");
  }

  void run(unsigned thread) {
    if (thread != 0) {
      item* taken[local_queue<item>::capacity + 1];
      const std::uint32_t count = queue.steal(taken);
      for (std::uint32_t i = 0; i < count; ++i) {
        model::check(taken[i] != nullptr, "a thief has taken nothing for an item");
        take(taken[i]);
      }
      return;
    }
    for (unsigned i = 0; i < Items; ++i) {
      items[i].payload.set(7);
      if (i == 0) {
        model::check(queue.exchange_next(&items[i]) == nullptr, "an item out of nowhere");
      } else {
        model::check(queue.push(&items[i]), "full before its time");
      }
    }
    if (item* const mine = queue.pop(true)) {
      take(mine);
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

// The owner takes a turn with the item that is not in line: it is inside from the one's leaving to the other's coming.
struct turn_and_thief {
  static constexpr unsigned threads = 2;

  local_queue<item> queue;
  std::array<item, 2> items;

  turn_and_thief() {
    items[0].payload.set(7);
    model::check(queue.push(&items[0]), "full before its time");
  }

  void take(item* taken) {
    model::check(taken->payload.get() == 7, "an old payload");
    model::check(++taken->taken == 1, "an item is taken twice");
  }

  void run(unsigned thread) {
    if (thread != 0) {
      item* taken[local_queue<item>::capacity + 1];
      const std::uint32_t count = queue.steal(taken);
      for (std::uint32_t i = 0; i < count; ++i) {
        take(taken[i]);
      }
      return;
    }
    if (item* const next = queue.begin_turn()) {
      take(next);
      items[1].payload.set(7);
      queue.end_turn(&items[1]);
    } else {
      items[1].payload.set(7);
      model::check(queue.push(&items[1]), "full before its time");
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
