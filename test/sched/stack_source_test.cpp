// Stacks of the user's memory, for a scheduler and for a single task: the same program runs on each, a refusal leaves
// the spawn, and an overflow is noticed.
#include "sched/base/sanitizer.h"
#include "test/sched/child.h"
#include "test/support/topologies.h"

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <numeric>
#include <span>
#include <stdexcept>
#include <vector>

using csp_test::child_result;
using csp_test::expectations;
using csp_test::in_child;
using csp_test::with;

namespace {

// Counts what goes through it.
template <class Inner>
struct counted {
  explicit counted(Inner& counts) : inner(counts) {}
  Inner& inner;
  std::atomic<std::size_t> given{0};
  std::atomic<std::size_t> taken_back{0};
  csp::stack_memory allocate(std::size_t size) {
    const csp::stack_memory memory = inner.allocate(size);
    given.fetch_add(1);
    return memory;
  }
  void deallocate(csp::stack_memory memory) noexcept {
    inner.deallocate(memory);
    taken_back.fetch_add(1);
  }
};

static_assert(csp::stack_allocator<csp::mapped_stacks>);
static_assert(csp::stack_allocator<csp::heap_stacks>);
static_assert(csp::stack_allocator<csp::buffer_stacks>);
static_assert(csp::stack_allocator<counted<csp::heap_stacks>>);
static_assert(!csp::stack_allocator<std::vector<int>>);

// Waits, is woken, throws and catches, is joined, is cancelled: what tasks do. `options` says where their stacks are.
void play(expectations& expect, const csp::task_options& options) {
  constexpr int tasks = 50;
  csp::chan<int> numbers;
  std::vector<csp::join_handle<int>> handles;
  for (int i = 0; i < tasks; ++i) {
    handles.push_back(csp::spawn(options, [numbers] {
      int sum = 0;
      try {
        throw *numbers.recv();
      } catch (const int value) {
        csp::yield();
        sum += value;
      }
      return sum;
    }));
  }
  auto idle = csp::spawn(options, [numbers] { static_cast<void>(csp::chan<int>(csp::nil).recv()); });
  for (int i = 0; i < tasks; ++i) {
    numbers.send(i);
  }
  int sum = 0;
  for (auto& handle : handles) {
    sum += handle.join();
  }
  expect(sum == tasks * (tasks - 1) / 2, "every number came");
  idle.cancel();
  try {
    idle.join();
    expect(false, "it was cancelled");
  } catch (const csp::canceled&) {
  }
  for (int i = 0; i < 200; ++i) {  // one after another, most of them never wait
    csp::go(options, [] {});
    if (i % 20 == 0) {
      csp::yield();
    }
  }
}

template <class Allocator>
void play_on(Allocator& inner) {
  counted allocator(inner);
  for (const unsigned processors : {1U, 2U, 4U}) {
    expectations expect;
    csp::options options = with(processors);
    constexpr std::size_t size = 32 * 1024;
    // All tasks of the scheduler, main as well.
    options.stack_size = size;
    options.stacks = allocator;
    const std::size_t before = allocator.given;
    csp::run(options, [&] {
      const csp::stack_figures pooled = csp::stack_statistics();
      play(expect, {});
      expect(csp::stack_statistics().given_memory == pooled.given_memory, "the pool gave nothing");
      // Some of them on the pool all the same.
      play(expect, {.stacks = csp::stack_source::pooled()});
      expect(csp::stack_statistics().in_use > 0, "the pool gave some");
    });
    CHECK(allocator.given >= before + 1 + 51 + 200);
    CHECK(allocator.given == allocator.taken_back);
    // Single tasks.
    const std::size_t between = allocator.given;
    csp::run(with(processors), [&] { play(expect, {.stack_size = size, .stacks = allocator}); });
    CHECK(allocator.given == between + 251);
    CHECK(allocator.given == allocator.taken_back);
    expect.verify();
  }
}

bool sanitized() {
  namespace sanitizer = csp::detail::sanitizer;
  if (sanitizer::address_sanitizer || sanitizer::thread_sanitizer) {
    WARN("SKIPPED: stack overflows belong to the sanitizer here");
    return true;
  }
  return false;
}

// NOLINTNEXTLINE(misc-no-recursion)
__attribute__((noinline)) int descend(int depth) {
  volatile char frame[256];
  frame[0] = 1;
  return depth == 0 ? frame[0] : descend(depth - 1) + frame[0];
}

}  // namespace

TEST_CASE("stack sources: the same program on mappings, on the heap and in the user's buffer") {
  SECTION("mappings") {
    csp::mapped_stacks stacks;
    play_on(stacks);
  }
  SECTION("heap") {
    csp::heap_stacks stacks;
    play_on(stacks);
  }
  SECTION("buffer") {
    std::vector<std::byte> memory(std::size_t{400} * 32 * 1024 + 1);
    csp::buffer_stacks stacks(std::span<std::byte>(memory).subspan(1), 32 * 1024);  // badly aligned
    CHECK(stacks.capacity() >= 399);
    play_on(stacks);
  }
}

TEST_CASE("stack sources: a copy refers to the same allocator, whatever it is a copy of") {
  csp::heap_stacks heap;
  counted allocator(heap);
  csp::stack_source source = allocator;
  csp::stack_source copy = source;  // from an lvalue that is not const
  source = csp::stack_source::pooled();
  csp::stack_source pooled = source;
  CHECK(copy.is_custom());
  CHECK_FALSE(pooled.is_custom());
  CHECK_FALSE(pooled.empty());
  CHECK(csp::stack_source().empty());
  const csp::stack_memory memory = copy.allocate(8192);
  CHECK(allocator.given == 1);
  copy.deallocate(memory);
  CHECK(allocator.taken_back == 1);
}

TEST_CASE("stack sources: what an allocator throws leaves the spawn, and nothing has started") {
  for (const unsigned processors : {1U, 2U}) {
    std::vector<std::byte> memory(std::size_t{10} * 16 * 1024 + 64);
    csp::buffer_stacks stacks(memory, 16 * 1024);
    std::atomic<int> ran{0};
    int spawned = 0;
    int refused = 0;
    csp::run(with(processors), [&] {
      const csp::task_options options{.stack_size = 16 * 1024, .stacks = stacks};
      csp::chan<void> gate;
      for (int round = 0; round < 3; ++round) {
        csp::wait_group ended;
        int waiting = 0;
        for (int i = 0; i < 15; ++i) {
          ended.add(1);
          try {
            csp::go(options, [&, gate] {
              static_cast<void>(gate.recv());
              ++ran;
              ended.done();
            });
            ++waiting;
          } catch (const std::bad_alloc&) {
            ended.done();
            ++refused;
          }
        }
        for (int i = 0; i < waiting; ++i) {
          gate.send();
        }
        spawned += waiting;
        ended.wait();
        while (csp::tasks().size() != 1) {
          csp::yield();
        }
      }
      try {
        csp::go({.stack_size = 17 * 1024, .stacks = stacks}, [] {});
        CHECK(false);
      } catch (const std::bad_alloc&) {
      }
    });
    CHECK(spawned >= 20);  // a stack comes back a little later than its task has ended
    CHECK(ran == spawned);
    CHECK(refused == 45 - spawned);
  }
  CHECK_THROWS_AS(csp::buffer_stacks({}, 4096), std::invalid_argument);
  csp::buffer_stacks none({}, 8192);
  CHECK(none.capacity() == 0);
  CHECK_THROWS_AS(none.allocate(8192), std::bad_alloc);
}

TEST_CASE("stack sources: tasks that never ran give their memory back") {
  csp::heap_stacks heap;
  counted allocator(heap);
  csp::run(with(1), [&] {
    for (int i = 0; i < 100; ++i) {
      csp::go({.stacks = allocator}, [] {});
    }
  });
  CHECK(allocator.given == 100);
  CHECK(allocator.taken_back == 100);
}

TEST_CASE("stack sources: an overflow of a mapped stack is named") {
  if (sanitized()) {
    return;
  }
  const child_result mapped = in_child([] {
    csp::mapped_stacks stacks;
    csp::run(with(2), [&stacks] {
      csp::go({.name = "deep", .stack_size = 64 * 1024, .stacks = stacks}, [] { static_cast<void>(descend(1 << 20)); });
      csp::sleep_for(std::chrono::hours(1));
    });
  });
  CAPTURE(mapped.text);
  CHECK(mapped.died_of(SIGSEGV));
  CHECK(mapped.says("stack overflow in task"));
  CHECK(mapped.says("'deep'"));
  CHECK(mapped.says("64 KiB is exhausted"));
}

TEST_CASE("stack sources: an overflow of a stack on the heap is named at the end of the task") {
  if (sanitized()) {
    return;
  }
  const child_result heap = in_child([] {
    csp::heap_stacks stacks;
    csp::run(with(2), [&stacks] {
      csp::go({.name = "damages", .stack_size = 64 * 1024, .stacks = stacks}, [] {
        // What a slight overflow does: the lowest page is no memory for frames.
        char here = 0;
        char* from = &here;
        asm volatile("" : "+r"(from)::"memory");  // the compiler is not to know, nor to leave the store out
        std::memset(from - 61 * 1024, 0x5a, 64);
        asm volatile("" ::"r"(from) : "memory");
      });
      csp::sleep_for(std::chrono::hours(1));
    });
  });
  CAPTURE(heap.text);
  CHECK(heap.died_of(SIGABRT));
  CHECK(heap.says("'damages'"));
  CHECK(heap.says("was exhausted, and memory below it is damaged"));
}
