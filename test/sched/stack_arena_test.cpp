// Stack classes, guards and the arena.
#include "sched/stack_arena.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <new>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "test/support/topologies.h"

using namespace csp::detail;

namespace {

// The arena is large: on the heap.
std::unique_ptr<stack_arena> make_arena() { return std::make_unique<stack_arena>(); }

struct forced_guards {
  explicit forced_guards(stack_guard_kind kind) { force_stack_guard_kind(kind); }
  ~forced_guards() { force_stack_guard_kind(std::nullopt); }
};

// Asks the kernel, which answers EFAULT where we would fault.
bool can_read(const std::byte* address) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const bool readable = ::write(ends[1], address, 1) == 1;
  ::close(ends[0]);
  ::close(ends[1]);
  return readable;
}

bool kernel_has_markers() {
  auto arena = make_arena();
  const forced_guards forced(stack_guard_kind::marker);
  arena->reserve(0, 1);
  return arena->carve_or_take(0)->guard == stack_guard_kind::marker;
}

std::size_t mappings() {
  std::ifstream maps("/proc/self/maps");
  std::size_t lines = 0;
  for (std::string text; std::getline(maps, text);) ++lines;
  return lines;
}

std::size_t address_space() {
  std::ifstream statm("/proc/self/statm");
  std::size_t pages = 0;
  statm >> pages;
  return pages * memory_page_size();
}

// The value that `body` returns in a child of fork.
template <class Body>
int in_child(Body body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

constexpr unsigned class_of(std::size_t bytes) {
  return static_cast<unsigned>(std::countr_zero(bytes)) - smallest_stack_shift;
}

}  // namespace

TEST_CASE("stack classes are powers of two from 8 KiB to 8 MiB") {
  CHECK(stack_class_count == 11);
  CHECK(stack_class_size(0) == 8192);
  CHECK(stack_class_size(stack_class_count - 1) == 8u << 20);
  if (memory_page_size() == 4096) {
    CHECK(stack_class_for(0) == 0u);
    CHECK(stack_class_for(8192) == 0u);
    CHECK(stack_class_for(8193) == 1u);
  }
  CHECK(stack_class_for(256 * 1024) == class_of(256 * 1024));
  CHECK(stack_class_for(256 * 1024 + 1) == class_of(512 * 1024));
  CHECK(stack_class_for(8u << 20) == stack_class_count - 1);
  CHECK(stack_class_for((8u << 20) + 1) == std::nullopt);
  CHECK(stack_class_for(SIZE_MAX) == std::nullopt);
}

TEST_CASE("stack sizes are read from text and from CSP_STACK") {
  CHECK(parse_stack_size("8k") == 8192);
  CHECK(parse_stack_size("64K") == 65536);
  CHECK(parse_stack_size("1m") == 1u << 20);
  CHECK(parse_stack_size("8M") == 8u << 20);
  CHECK(parse_stack_size("100000") == 100000);
  for (const char* bad : {"", "k", "64kb", "64 k", "-64k", "+64k", "0x1000", "1.5M", "7k", "8191", "9M", "8388609",
                          "99999999999999999999999999", "18446744073709551616k", "many"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(parse_stack_size(bad), std::invalid_argument);
  }
  CHECK_THROWS_WITH(parse_stack_size("12q"), Catch::Contains("CSP_STACK=\"12q\"") && Catch::Contains("8k to 8M"));

  const char* before = std::getenv("CSP_STACK");
  const std::string kept = before == nullptr ? "" : before;
  ::unsetenv("CSP_STACK");
  CHECK(default_stack_size() == 256 * 1024);
  ::setenv("CSP_STACK", "", 1);
  CHECK(default_stack_size() == 256 * 1024);
  ::setenv("CSP_STACK", "128k", 1);
  CHECK(default_stack_size() == 128 * 1024);
  ::setenv("CSP_STACK", "small", 1);
  CHECK_THROWS_AS(default_stack_size(), std::invalid_argument);
  if (before != nullptr) {
    ::setenv("CSP_STACK", kept.c_str(), 1);
  } else {
    ::unsetenv("CSP_STACK");
  }
}

TEST_CASE("stacks do not overlap, are aligned, coloured and writable from end to end") {
  auto arena = make_arena();
  std::vector<stack_block*> blocks;
  for (const std::size_t size : {8u * 1024, 64u * 1024, 256u * 1024, 8u * 1024 * 1024}) {
    if (size < 2 * memory_page_size()) continue;
    arena->reserve(class_of(size), 150);
    std::set<std::uintptr_t> offsets;
    for (int i = 0; i < 150; ++i) {
      stack_block* block = arena->carve_or_take(class_of(size));
      REQUIRE(block->size == size);
      REQUIRE(block->class_index == class_of(size));
      REQUIRE(reinterpret_cast<std::uintptr_t>(block->base) % memory_page_size() == 0);
      REQUIRE(reinterpret_cast<std::uintptr_t>(block->usable_top) % 16 == 0);
      REQUIRE(block->usable_top > static_cast<void*>(block->usable_bottom()));
      REQUIRE(block->usable_size() <= size - memory_page_size() - sizeof(stack_block));
      REQUIRE(block->usable_size() >= size - memory_page_size() - (size == smallest_stack ? 512 : 2048));
      REQUIRE(block->owner.load() == nullptr);
      offsets.insert(reinterpret_cast<std::uintptr_t>(block->usable_top) % 4096);
      block->usable_bottom()[0] = std::byte{1};
      static_cast<std::byte*>(block->usable_top)[-1] = std::byte{1};
      blocks.push_back(block);
    }
    CHECK(offsets.size() == (size == smallest_stack ? 8 : 32));
  }
  std::sort(blocks.begin(), blocks.end(), [](auto* a, auto* b) { return a->base < b->base; });
  for (std::size_t i = 1; i < blocks.size(); ++i) REQUIRE(blocks[i - 1]->base + blocks[i - 1]->size <= blocks[i]->base);
}

TEST_CASE("the tops of stacks lie in pages of all kinds") {
  // TLBs choose a set by a page's lowest bits.
  constexpr std::uintptr_t kinds = 64;
  auto arena = make_arena();
  for (const std::size_t size : {16u * 1024, 64u * 1024, 256u * 1024, 1024u * 1024}) {
    if (size < 2 * memory_page_size()) continue;
    arena->reserve(class_of(size), kinds);
    std::set<std::uintptr_t> found;
    for (std::uintptr_t i = 0; i < kinds; ++i) {
      const stack_block* block = arena->carve_or_take(class_of(size));
      found.insert(reinterpret_cast<std::uintptr_t>(block->usable_top) / memory_page_size() % kinds);
    }
    CHECK(found.size() == kinds);
  }
}

TEST_CASE("an address finds its stack, the guard page included") {
  auto arena = make_arena();
  arena->reserve(class_of(65536), 3);
  stack_block* first = arena->carve_or_take(class_of(65536));
  stack_block* second = arena->carve_or_take(class_of(65536));
  for (stack_block* block : {first, second}) {
    CHECK(arena->lookup(block->base) == block);
    CHECK(arena->lookup(block->usable_bottom()) == block);
    CHECK(arena->lookup(block->usable_top) == block);
    CHECK(arena->lookup(block->base + block->size - 1) == block);
  }
  const std::byte* uncarved = std::max(first->base, second->base) + stack_class_stride(class_of(65536));
  CHECK(arena->lookup(uncarved) == nullptr);
  CHECK(arena->lookup(&first) == nullptr);
  CHECK(arena->lookup(nullptr) == nullptr);
  CHECK(stack_arena::instance().lookup(first->base) == nullptr);
}

TEST_CASE("guard pages of the faulting kinds cannot be touched") {
  const auto kind = GENERATE(stack_guard_kind::marker, stack_guard_kind::protection);
  if (kind == stack_guard_kind::marker && !kernel_has_markers()) {
    WARN("SKIPPED: this kernel has no MADV_GUARD_INSTALL");
    return;
  }
  auto arena = make_arena();
  const forced_guards forced(kind);
  arena->reserve(class_of(65536), 2);
  stack_block* below = arena->carve_or_take(class_of(65536));
  stack_block* block = arena->carve_or_take(class_of(65536));
  REQUIRE(block->guard == kind);
  CHECK(below->base + stack_class_stride(class_of(65536)) == block->base);
  CHECK(can_read(block->base - 1));
  CHECK_FALSE(can_read(block->base));
  CHECK_FALSE(can_read(block->usable_bottom() - 1));
  CHECK(can_read(block->usable_bottom()));
  // Releasing an idle stack's memory keeps the guard.
  REQUIRE(::madvise(block->base, block->size / 2, MADV_DONTNEED) == 0);
  CHECK_FALSE(can_read(block->base));
  CHECK(arena->statistics().guards[static_cast<std::size_t>(kind)] == 2);
}

TEST_CASE("a canary is intact until something writes into its page") {
  auto arena = make_arena();
  const forced_guards forced(stack_guard_kind::canary);
  arena->reserve(class_of(65536), 1);
  stack_block* block = arena->carve_or_take(class_of(65536));
  REQUIRE(block->guard == stack_guard_kind::canary);
  CHECK(arena->statistics().guards[static_cast<std::size_t>(stack_guard_kind::canary)] == 1);
  block->usable_bottom()[0] = std::byte{1};
  CHECK(stack_canary_intact(block->base));
  REQUIRE(::madvise(block->base, block->size / 2, MADV_DONTNEED) == 0);
  CHECK(stack_canary_intact(block->base));
  const std::size_t at = GENERATE(std::size_t{0}, std::size_t{1001}, std::size_t{4095});
  block->base[at] = std::byte{1};
  CHECK_FALSE(stack_canary_intact(block->base));
}

TEST_CASE("mprotect guards keep to their budget, the rest are canaries") {
  auto arena = make_arena();
  const forced_guards forced(stack_guard_kind::protection);
  set_stack_protection_budget(2);
  arena->reserve(class_of(65536), 5);
  for (int i = 0; i < 5; ++i) {
    CHECK(arena->carve_or_take(class_of(65536))->guard ==
          (i < 2 ? stack_guard_kind::protection : stack_guard_kind::canary));
  }
  set_stack_protection_budget(1000);
}

TEST_CASE("the depot gives the stack that came last") {
  auto arena = make_arena();
  const unsigned cls = class_of(65536);
  arena->reserve(cls, 4);
  stack_block* blocks[4];
  for (auto& block : blocks) block = arena->carve_or_take(cls);
  CHECK(arena->statistics().carved == 4);
  arena->give(cls, blocks, 2);
  arena->give(cls, blocks + 2, 2);
  CHECK(arena->statistics().idle == 4);
  CHECK(arena->carve_or_take(cls) == blocks[3]);
  stack_block* out[8];
  REQUIRE(arena->carve_or_take(cls, out, 8) == 3);
  CHECK(out[0] == blocks[2]);
  CHECK(out[1] == blocks[1]);
  CHECK(out[2] == blocks[0]);
  CHECK(arena->statistics().idle == 0);
  CHECK(arena->statistics().carved == 4);
}

TEST_CASE("credits are counted, and what is given back is used again") {
  auto arena = make_arena();
  const unsigned cls = class_of(256 * 1024);
  arena->reserve(cls, 10);
  const auto before = arena->statistics();
  CHECK(before.credits == 10);
  CHECK(before.slabs == 1);
  CHECK(before.mapped_bytes <= (16u << 20) + (1 + stack_batch(cls)) * memory_page_size());  // gaps, a page of states
  arena->unreserve(cls, 10);
  arena->reserve(cls, before.ranges);
  CHECK(arena->statistics().slabs == 1);
  arena->reserve(cls, 1);
  CHECK(arena->statistics().slabs == 2);
  CHECK_THROWS_AS(arena->reserve(cls, SIZE_MAX), std::bad_alloc);
  CHECK_FALSE(arena->try_reserve(stack_class_count - 1, std::size_t{1} << 31));  // more than an address holds
  CHECK(arena->statistics().credits == before.ranges + 1);
  CHECK(arena->statistics().slabs == 2);
}

TEST_CASE("100,000 stacks need few mappings") {
  auto arena = make_arena();
  const unsigned cls = class_of(256 * 1024);
  const std::size_t before = mappings();
  for (int i = 0; i < 100'000; i += 64) arena->reserve(cls, 64);
  CHECK(arena->statistics().slabs < 40);
  CHECK(mappings() < before + 40);
  if (!kernel_has_markers()) return;
  for (int i = 0; i < 5'000; ++i) static_cast<void>(arena->carve_or_take(cls));
  CHECK(mappings() < before + 40);
}

TEST_CASE("a refused mmap is bad_alloc and breaks nothing") {
  if (csp_test::emulated()) {
    WARN("SKIPPED: an emulator cannot do without address space");
    return;
  }
  const int answer = in_child([] {
    const unsigned cls = class_of(1 << 20);
    auto arena = make_arena();
    try {
      throw std::bad_alloc();  // the first one maps memory
    } catch (const std::bad_alloc&) {
    }
    rlimit old{};
    if (::getrlimit(RLIMIT_AS, &old) != 0) return 1;
    const rlimit tight{address_space() + (std::size_t{100} << 20), old.rlim_max};
    if (::setrlimit(RLIMIT_AS, &tight) != 0) return 2;
    std::size_t got = 0;
    errno = 77;
    try {
      for (;;) {
        arena->reserve(cls, 1);
        ++got;
      }
    } catch (const std::bad_alloc&) {
    }
    if (errno != 77) return 3;
    if (got < 60 || got > 100) return 4;  // mostly used, though slabs come in several stacks
    const auto full = arena->statistics();
    if (full.credits != got || full.ranges < got) return 5;
    if (arena->try_reserve(cls, 1'000'000) || arena->statistics().slabs != full.slabs) return 6;
    std::vector<stack_block*> blocks;
    for (std::size_t i = 0; i < got; ++i) blocks.push_back(arena->carve_or_take(cls));  // each credit is good
    arena->give(cls, blocks.data(), static_cast<unsigned>(got));
    arena->unreserve(cls, got);
    arena->reserve(cls, got);  // from what is there
    if (::setrlimit(RLIMIT_AS, &old) != 0) return 7;
    arena->reserve(cls, 1000);
    return 0;
  });
  CHECK(answer == 0);
}
