// The stack pools and their depot: two threads never have the same stack, what one left in it happened before the other
// takes it, and whoever holds a credit finds a stack.
#include "sched/stack_pool.h"

#include "test/model/model.h"
#include "test/support/catch.h"

#include <array>

namespace {

using namespace csp::detail;

// The class with the smallest batch: two stacks.
constexpr unsigned largest = stack_class_count - 1;

// Each thread runs tasks on a pool of its own, which hands stacks over when it is flushed.
template <unsigned Threads, unsigned Rounds>
struct depot {
  static constexpr unsigned threads = Threads;
  stack_arena arena;
  // Only what it touches in common makes the checker try two threads in both orders, and what a missing lock leaves are
  // plain accesses: so a use of a credit, and the end of a round, are seen by all. It orders nothing.
  atomic<unsigned> turns{0};

  // What tasks write into a stack.
  struct contents {
    stack_block* block = nullptr;
    model::plain<unsigned> owner;
  };
  std::array<contents, 8> seen;
  unsigned count = 0;

  contents& of(stack_block* block) {
    for (unsigned i = 0; i < count; ++i) {
      if (seen[i].block == block) {
        return seen[i];
      }
    }
    seen[count].block = block;
    return seen[count++];
  }

  void run(unsigned thread) {
    stack_pool pool(arena);
    for (unsigned i = 0; i < Rounds; ++i) {
      pool.take_credit(largest);
      turns.fetch_add(1, std::memory_order_relaxed);
      stack_block* const block = pool.take(largest);
      of(block).owner.set(thread + 1);
      static_cast<void>(model::choose(1));  // others may run while it is in use
      model::check(of(block).owner.get() == thread + 1, "two tasks run on one stack");
      of(block).owner.set(0);
      pool.give(block);
      pool.return_credit(largest);
      pool.flush();
      turns.fetch_add(1, std::memory_order_relaxed);
    }
  }

  void finish() {
    const stack_arena_statistics left = arena.statistics();
    model::check(left.credits == 0, "a credit is lost");
    model::check(left.idle == left.carved, "a stack is lost");
    model::check(left.carved <= left.ranges, "more stacks than there is room for");
  }
};

using two = depot<2, 1>;

}  // namespace

TEST_CASE("stack_pool: stacks and credits go through the depot whole") {
  CHECK(model::passes<two>("stack_pool: two threads"));
  CHECK(model::passes<depot<2, 2>>("stack_pool: two threads, twice"));
  if (model::bound() > 1) {
    CHECK(model::passes<depot<3, 1>>("stack_pool: three threads"));  // two million interleavings
  }
}

TEST_CASE("stack_pool: mutants are caught") {
  using model::mistake;
  constexpr const char* source = "sched/stack_arena.cpp";
  CHECK(model::catches<two>("stack_pool", {source, "const thread_mutex_guard hold(s.lock);", mistake::omit, 4}));
  CHECK(model::catches<two>("stack_pool", {source, "const thread_mutex_guard hold(s.lock);", mistake::omit, 3}));
}
