// The stack pool of a processor: LIFO, bounded, and every credit finds its stack.
#include "sched/stack_pool.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <fstream>
#include <memory>
#include <mutex>
#include <new>
#include <random>
#include <thread>
#include <vector>

#include "test/support/topologies.h"

using namespace csp::detail;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CSP_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CSP_TEST_SANITIZED 1
#endif
#endif

namespace {

#ifdef CSP_TEST_SANITIZED
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

constexpr unsigned default_class = 5;  // 256 KiB
static_assert(stack_class_size(default_class) == builtin_stack_size);

void finish(stack_pool& pool, stack_block* block) {
  pool.give(block);
  pool.return_credit(default_class);
}

// Lets the process map `bytes` more, after what the first exception of a thread maps.
bool limit_address_space(std::size_t bytes) {
  try {
    throw std::bad_alloc();
  } catch (const std::bad_alloc&) {
  }
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0) return false;
  limit.rlim_cur = pages * memory_page_size() + bytes;
  return ::setrlimit(RLIMIT_AS, &limit) == 0;
}

// 0, or what was wrong.
int play_at_the_limit(unsigned seed) {
  constexpr unsigned cls = default_class;
  constexpr std::size_t most = 4 * stack_batch(cls);
  auto arena = std::make_unique<stack_arena>();
  arena->reserve(cls, most);
  arena->unreserve(cls, most);
  std::vector<stack_block*> bound;
  bound.reserve(2 * most);
  if (!limit_address_space(std::size_t{1} << 20)) return 1;
  std::minstd_rand random(seed);
  std::size_t unbound = 0;
  std::size_t refused = 0;
  {
    std::array<stack_pool, 4> pools{stack_pool(*arena), stack_pool(*arena), stack_pool(*arena), stack_pool(*arena)};
    const auto any_pool = [&]() -> stack_pool& { return pools[random() % pools.size()]; };
    const auto bind = [&](stack_pool& pool) {
      --unbound;
      stack_block* block = pool.take(cls);
      const bool was_idle = block->owner.exchange(&pool) == nullptr;
      bound.push_back(block);
      return was_idle;
    };
    auto bias = random() % 9 + 1;
    for (int step = 0; step < 100'000; ++step) {
      if (step % 1000 == 0) bias = random() % 9 + 1;  // growing and shrinking phases
      stack_pool& pool = any_pool();
      if (random() % 10 < bias) {
        try {
          pool.take_credit(cls);
          ++unbound;
        } catch (const std::bad_alloc&) {
          ++refused;
          while (unbound != 0) {  // all at once, anywhere
            if (!bind(any_pool())) return 2;
          }
        }
      } else if (unbound != 0 && random() % 2 == 0) {
        if (!bind(pool)) return 2;
      } else if (!bound.empty()) {
        std::swap(bound[random() % bound.size()], bound.back());
        stack_block* block = bound.back();
        bound.pop_back();
        if (unbound != 0 && random() % 4 == 0) {  // handed on to an unstarted task
          --unbound;
          bound.push_back(block);
        } else {
          block->owner = nullptr;
          pool.give(block);
        }
        pool.return_credit(cls);
      }
    }
    while (unbound != 0) {
      if (!bind(any_pool())) return 2;
    }
    for (stack_block* block : bound) finish(pools[0], block);
  }
  const auto seen = arena->statistics();
  if (seen.credits != 0 || seen.idle != seen.carved) return 3;
  if (refused == 0 || seen.ranges > most + 4) return 4;  // the limit was not tight
  return 0;
}

}  // namespace

TEST_CASE("a pool gives the stack that came last") {
  auto arena = std::make_unique<stack_arena>();
  stack_pool pool(*arena);
  for (int i = 0; i < 3; ++i) pool.take_credit(default_class);
  stack_block* a = pool.take(default_class);
  stack_block* b = pool.take(default_class);
  stack_block* c = pool.take(default_class);
  CHECK((a != b && b != c && a != c));
  finish(pool, b);
  finish(pool, a);
  finish(pool, c);
  for (int i = 0; i < 3; ++i) pool.take_credit(default_class);
  CHECK(pool.take(default_class) == c);
  CHECK(pool.take(default_class) == a);
  CHECK(pool.take(default_class) == b);
  CHECK(arena->statistics().carved == 3);
  for (stack_block* block : {a, b, c}) finish(pool, block);
}

TEST_CASE("a pool keeps a bounded number of stacks and credits, and flush gives all back") {
  auto arena = std::make_unique<stack_arena>();
  stack_pool pool(*arena);
  std::vector<stack_block*> blocks;
  for (int wave = 0; wave < 3; ++wave) {
    for (int i = 0; i < 1000; ++i) {
      pool.take_credit(default_class);
      blocks.push_back(pool.take(default_class));
    }
    for (stack_block* block : blocks) finish(pool, block);
    blocks.clear();
    const auto seen = arena->statistics();
    CHECK(seen.carved == 1000);
    CHECK(seen.carved - seen.idle <= stack_batch(default_class));
    CHECK(seen.credits <= 2 * stack_batch(default_class));
  }
  pool.flush();
  CHECK(arena->statistics().credits == 0);
  CHECK(arena->statistics().idle == 1000);
  pool.take_credit(default_class);  // a flushed pool works on
  finish(pool, pool.take(default_class));
  CHECK(arena->statistics().carved == 1000);
}

TEST_CASE("a spawn and finish on a warm pool does not go to the arena") {
  auto arena = std::make_unique<stack_arena>();
  stack_pool pool(*arena);
  pool.take_credit(default_class);
  stack_block* block = pool.take(default_class);
  finish(pool, block);
  const auto before = arena->statistics();
  for (int i = 0; i < 1000; ++i) {
    pool.take_credit(default_class);
    REQUIRE(pool.take(default_class) == block);
    finish(pool, block);
  }
  CHECK(arena->statistics().credits == before.credits);
  CHECK(arena->statistics().idle == 0);
}

TEST_CASE("credits move between pools and every credit finds its stack") {
  // Random spawns, first runs and ends on four pools, in a child that may not map more than four batches of stacks:
  // spawns are refused now and then, and the arena aborts when a credit that was granted finds no stack.
  if (sanitized || csp_test::emulated()) {
    WARN("SKIPPED: a sanitizer or emulator cannot do without address space");
    return;
  }
  const unsigned seed = GENERATE(range(1u, 9u));
  CAPTURE(seed);
  const pid_t child = ::fork();
  if (child == 0) ::_exit(play_at_the_limit(seed));
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("pools on several threads share an arena") {
  auto arena = std::make_unique<stack_arena>();
  std::mutex lock;
  std::vector<stack_block*> running;  // tasks that another thread may end
  std::atomic<int> wrong{0};
  constexpr int rounds = 20'000;
  const auto body = [&](unsigned seed) {
    std::minstd_rand random(seed);
    stack_pool pool(*arena);
    for (int i = 0; i < rounds; ++i) {
      if (random() % 2 == 0) {
        pool.take_credit(default_class);
        stack_block* block = pool.take(default_class);
        if (block->owner.exchange(&pool, std::memory_order_relaxed) != nullptr) ++wrong;
        *static_cast<char**>(static_cast<void*>(block->usable_bottom())) = nullptr;  // a plain write: TSan looks on
        const std::lock_guard hold(lock);
        running.push_back(block);
      } else {
        stack_block* block = nullptr;
        {
          const std::lock_guard hold(lock);
          if (running.empty()) continue;
          std::swap(running[random() % running.size()], running.back());
          block = running.back();
          running.pop_back();
        }
        block->owner.store(nullptr, std::memory_order_relaxed);
        finish(pool, block);
      }
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 1; i <= 4; ++i) threads.emplace_back(body, i);
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  const auto seen = arena->statistics();
  CHECK(seen.credits == running.size());
  CHECK(seen.carved - seen.idle == running.size());
}

TEST_CASE("a pool uses its last credits when address space is short, then says bad_alloc") {
  if (sanitized || csp_test::emulated()) {
    WARN("SKIPPED: a sanitizer or emulator cannot do without address space");
    return;
  }
  const pid_t child = ::fork();
  if (child == 0) {
    auto arena = std::make_unique<stack_arena>();
    stack_pool pool(*arena);
    pool.take_credit(default_class);
    finish(pool, pool.take(default_class));
    rlimit old{};
    if (::getrlimit(RLIMIT_AS, &old) != 0 || !limit_address_space(std::size_t{40} << 20)) ::_exit(1);
    std::size_t got = 0;
    try {
      for (;;) {
        pool.take_credit(default_class);
        ++got;
      }
    } catch (const std::bad_alloc&) {
    }
    const auto full = arena->statistics();
    if (got < 128 || full.credits != got) ::_exit(2);  // each credit is a task's, none idles in the pool
    std::vector<stack_block*> blocks;
    blocks.reserve(got);
    for (std::size_t i = 0; i < got; ++i) blocks.push_back(pool.take(default_class));
    for (stack_block* block : blocks) finish(pool, block);
    pool.take_credit(default_class);
    finish(pool, pool.take(default_class));
    if (arena->statistics().slabs != full.slabs) ::_exit(3);
    if (::setrlimit(RLIMIT_AS, &old) != 0) ::_exit(4);
    for (std::size_t i = 0; i < 2 * got; ++i) pool.take_credit(default_class);
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}
