// Ageing of idle stacks, by virtual time: what a burst has left goes in tiers, and a sawtooth finds its stacks.
#include "sched/base/sanitizer.h"
#include "sched/stack_arena.h"
#include "sched/stack_pool.h"
#include "test/support/topologies.h"

#include <sys/mman.h>

#include <atomic>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace csp::detail;

namespace {

constexpr unsigned cls = 5;  // 256 KiB
static_assert(stack_class_size(cls) == builtin_stack_size);
constexpr nanos a_round = stack_arena::ageing_period;
// Rounds after which nothing is left to age, whatever the burst was: the memory, some halvings, the rest.
constexpr int rounds_to_settle = stack_arena::rounds_remembered + 24 + stack_arena::rounds_before_renewal;

struct fixture {
  std::unique_ptr<stack_arena> arena = std::make_unique<stack_arena>();
  nanos now = 1'000'000'000;
  std::vector<stack_block*> bound;

  void burst(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      arena->reserve(cls, 1);
      bound.push_back(arena->carve_or_take(cls));
      static_cast<std::byte*>(bound.back()->usable_top)[-1] = std::byte{1};
    }
  }
  void drain(std::size_t keep = 0) {
    while (bound.size() > keep) {
      stack_block* const block = bound.back();
      bound.pop_back();
      arena->give(cls, &block, 1);
      arena->unreserve(cls, 1);
    }
  }
  // Rounds of ageing; the number until nothing is left to age, at most `most`.
  int idle(int most) {
    for (int i = 0; i < most; ++i) {
      if (arena->next_ageing() == never) return i;
      arena->age(now);
      now += a_round;
    }
    return most;
  }
};

std::size_t mappings() {
  std::ifstream maps("/proc/self/maps");
  std::size_t lines = 0;
  for (std::string text; std::getline(maps, text);) ++lines;
  return lines;
}

bool is_resident(const std::byte* page) {
  unsigned char state = 0;
  REQUIRE(::mincore(const_cast<std::byte*>(page), memory_page_size(), &state) == 0);
  return (state & 1) != 0;
}

}  // namespace

TEST_CASE("ageing: nothing happens while stacks are in use, and a batch of idle ones stays") {
  fixture f;
  CHECK(f.arena->next_ageing() == never);
  f.burst(1000);
  CHECK(f.arena->next_ageing() == never);
  f.drain(1000 - stack_batch(cls));
  CHECK(f.arena->next_ageing() == never);
  f.drain(1000 - stack_batch(cls) - 1);
  CHECK(f.arena->next_ageing() != never);
}

TEST_CASE("ageing: after a burst the idle stacks go to the kernel, then their address space, and then it is over") {
  fixture f;
  f.burst(5000);
  const auto high = f.arena->statistics();
  CHECK(high.carved == 5000);
  std::vector<const stack_block*> all(f.bound.begin(), f.bound.end());
  f.drain();
  const int rounds = f.idle(1000);
  CHECK(rounds <= rounds_to_settle);
  CHECK(rounds >= static_cast<int>(stack_arena::rounds_remembered));
  const auto low = f.arena->statistics();
  CHECK(low.idle == stack_batch(cls));
  CHECK(low.releases == 5000 - stack_batch(cls));
  CHECK(low.renewals + low.released == low.releases);
  CHECK(low.mappings_ended > 0);
  CHECK(low.slabs == low.mappings_made - low.mappings_ended);
  CHECK(low.mapped_bytes < high.mapped_bytes / 4);
  std::size_t guards = 0;
  for (const std::size_t each : low.guards) guards += each;
  CHECK(guards == low.carved);
  CHECK(low.carved == low.idle + low.released);
  // Once more, from all tiers.
  f.burst(5000);
  CHECK(f.arena->statistics().carved == 5000);
  f.drain();
}

TEST_CASE("ageing: the memory of a released stack has gone and its guard has not; it is used again") {
  fixture f;
  f.burst(200);
  for (stack_block* block : f.bound) {
    block->usable_bottom()[0] = std::byte{1};
  }
  std::vector<std::byte*> bases;
  for (const stack_block* block : f.bound) bases.push_back(block->base);
  const auto guards = f.arena->statistics().guards;
  f.drain();
  f.idle(static_cast<int>(stack_arena::rounds_remembered) + 4);  // some halvings, and no renewal yet
  static_assert(stack_arena::rounds_remembered + 4 < stack_arena::rounds_before_renewal);
  const auto seen = f.arena->statistics();
  CHECK(seen.released == 200 - stack_batch(cls));
  CHECK(seen.guards == guards);
  std::size_t resident = 0;
  for (const std::byte* base : bases) {
    const bool header = is_resident(base + builtin_stack_size - memory_page_size());
    CHECK(header == is_resident(base + memory_page_size()));
    CHECK((f.arena->lookup(base) != nullptr) == header);
    resident += header ? 1 : 0;
  }
  CHECK(resident == stack_batch(cls));
  f.burst(200);
  CHECK(f.arena->statistics().released == 0);
  CHECK(f.arena->statistics().carved == 200);
  CHECK(f.arena->statistics().guards == guards);
  for (const stack_block* block : f.bound) CHECK(f.arena->lookup(block->base) == block);
  f.drain();
}

TEST_CASE("ageing: what is live pins its own stack and no more") {
  fixture f;
  f.burst(2000);
  std::vector<stack_block*> kept;
  std::vector<stack_block*> gone;
  for (std::size_t i = 0; i < f.bound.size(); ++i) (i % 100 == 0 ? kept : gone).push_back(f.bound[i]);
  f.bound = gone;
  f.drain();
  const std::size_t before = mappings();
  CHECK(f.idle(1000) <= rounds_to_settle);
  const auto seen = f.arena->statistics();
  CHECK(seen.carved <= kept.size() + seen.idle + seen.released);
  CHECK(mappings() <= before + seen.mappings_made);  // a renewed range is no mapping of its own
  CHECK(seen.renewals > 1000);                       // though each slab holds some that live
  for (stack_block* block : kept) {
    CHECK(f.arena->lookup(block->base) == block);
    CHECK(static_cast<std::byte*>(block->usable_top)[-1] == std::byte{1});
  }
  f.bound = kept;
  f.drain();
}

TEST_CASE("ageing: a sawtooth is served from the pool") {
  fixture f;
  constexpr std::size_t height = 3000;
  f.burst(height);
  const auto first = f.arena->statistics();
  constexpr int teeth = 20;
  for (int tooth = 0; tooth < teeth; ++tooth) {
    f.drain();
    // As long between two bursts as the mark remembers, and a height that varies.
    for (unsigned i = 0; i + 1 < stack_arena::rounds_remembered; ++i) {
      f.arena->age(f.now);
      f.now += a_round;
    }
    f.burst(height - static_cast<std::size_t>(tooth) % 5 * 50);
  }
  const auto last = f.arena->statistics();
  const std::size_t served = teeth * (height - 100);
  CHECK(last.carves - first.carves <= served / 20);
  CHECK(last.mappings_made - first.mappings_made <= teeth / 4);
  f.drain();
  CHECK(f.idle(1000) <= rounds_to_settle);
}

TEST_CASE("ageing: guards by mprotect give their budget back with their memory") {
  force_stack_guard_kind(stack_guard_kind::protection);
  set_stack_protection_budget(1000);
  {
    fixture f;
    for (int i = 0; i < 3; ++i) {
      f.burst(1000);
      const auto seen = f.arena->statistics();
      CHECK(seen.guards[static_cast<std::size_t>(stack_guard_kind::protection)] == 1000);
      CHECK(seen.guards[static_cast<std::size_t>(stack_guard_kind::canary)] == 0);
      f.drain();
      CHECK(f.idle(1000) <= rounds_to_settle);
      CHECK(f.arena->statistics().guards[static_cast<std::size_t>(stack_guard_kind::protection)] < 200);
    }
  }
  force_stack_guard_kind(std::nullopt);
}

TEST_CASE("ageing: pools of several threads take and give while rounds pass") {
  auto arena = std::make_unique<stack_arena>();
  std::atomic<int> wrong{0};
  std::atomic<int> at_work{3};
  const std::size_t rounds = csp_test::scaled(300);
  const auto work = [&](unsigned seed) {
    std::minstd_rand random(seed);
    stack_pool pool(*arena);
    std::vector<stack_block*> bound;
    for (std::size_t i = 0; i < rounds; ++i) {
      const std::size_t height = random() % 400;
      while (bound.size() < height) {
        pool.take_credit(cls);
        stack_block* const block = pool.take(cls);
        if (block->owner.exchange(&pool, std::memory_order_relaxed) != nullptr) ++wrong;
        static_cast<std::byte*>(block->usable_top)[-1] = std::byte{1};
        bound.push_back(block);
      }
      while (bound.size() > height) {
        bound.back()->owner.store(nullptr, std::memory_order_relaxed);
        pool.give(bound.back());
        pool.return_credit(cls);
        bound.pop_back();
      }
    }
    for (stack_block* block : bound) {
      block->owner.store(nullptr, std::memory_order_relaxed);
      pool.give(block);
      pool.return_credit(cls);
    }
    --at_work;
  };
  std::vector<std::thread> threads;
  for (unsigned i = 1; i <= 3; ++i) threads.emplace_back(work, i);
  nanos now = 1;
  while (at_work != 0) {
    arena->age(now);
    now += a_round;
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  // On a busy machine no round may have come between.
  for (int i = 0; i < 20; ++i) {
    arena->age(now);
    now += a_round;
  }
  const auto seen = arena->statistics();
  CHECK(seen.credits == 0);
  CHECK(seen.carved == seen.idle + seen.released);
  CHECK(seen.releases > 0);
  if (!sanitizer::thread_sanitizer) CHECK(seen.carves >= seen.carved);
}

TEST_CASE("ageing: AddressSanitizer sees an idle stack as poisoned and a live one as not") {
  auto arena = std::make_unique<stack_arena>();
  stack_pool pool(*arena);
  pool.take_credit(cls);
  stack_block* const block = pool.take(cls);
  const std::byte* const low = block->usable_bottom();
  const std::byte* const high = static_cast<std::byte*>(block->usable_top) - 1;
  CHECK_FALSE(sanitizer::is_poisoned(low));
  CHECK_FALSE(sanitizer::is_poisoned(high));
  pool.give(block);
  pool.return_credit(cls);
  CHECK(sanitizer::is_poisoned(low) == sanitizer::address_sanitizer);
  CHECK(sanitizer::is_poisoned(high) == sanitizer::address_sanitizer);
  pool.take_credit(cls);
  CHECK(pool.take(cls) == block);
  CHECK_FALSE(sanitizer::is_poisoned(low));
  CHECK_FALSE(sanitizer::is_poisoned(high));
  pool.give(block);
  pool.return_credit(cls);
}
