// What a task asks of its stack: the smallest class and what a parked task costs there, private bytes, and the class by
// what tasks of the same spawn site have used.
#include "sched/base/sanitizer.h"
#include "sched/base/tls.h"
#include "sched/processor.h"
#include "sched/stack_usage.h"
#include "test/support/topologies.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <vector>

using namespace csp::detail;
using csp_test::expectations;
using csp_test::on_each_topology;
using csp_test::with;

namespace {

std::size_t status_kib(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string text; std::getline(status, text);) {
    if (text.rfind(key + ":", 0) == 0) {
      return std::stoul(text.substr(key.size() + 1));
    }
  }
  return 0;
}

// Bytes that the process grows by for each of many parked tasks, page tables included.
std::size_t parked_cost(std::size_t stack_size) {
  constexpr std::size_t tasks = 50'000;
  std::size_t grown = 0;
  csp::run(with(1), [&] {
    csp::chan<void> gate;
    csp::wait_group came(tasks);
    csp::wait_group ended(tasks);
    const std::size_t before = status_kib("VmRSS") + status_kib("VmPTE");
    for (std::size_t i = 0; i < tasks; ++i) {
      csp::go({.stack_size = stack_size}, [&, gate] {
        came.done();
        static_cast<void>(gate.recv());
        ended.done();
      });
    }
    came.wait();
    grown = (status_kib("VmRSS") + status_kib("VmPTE") - before) * 1024;
    gate.close();
    ended.wait();
  });
  return grown / tasks;
}

// Uses about so many bytes of stack.
// NOLINTNEXTLINE(misc-no-recursion)
__attribute__((noinline)) int use(std::size_t bytes) {
  volatile char frame[512];
  std::memset(const_cast<char*>(frame), 1, sizeof frame);
  asm volatile("" : : "r"(frame) : "memory");  // nobody may find that the frame is not needed
  return bytes <= sizeof frame ? frame[0] : use(bytes - sizeof frame) + frame[1];
}

unsigned class_of_running_task() { return this_processor()->current()->stack->class_index; }

// Frames are larger under AddressSanitizer.
constexpr std::size_t times_deeper = sanitizer::address_sanitizer ? 4 : 1;

bool measures() {
  if (sanitizer::thread_sanitizer || csp_test::emulated()) {
    WARN("SKIPPED: depth is not measured under ThreadSanitizer, and emulators know no mincore()");
    return false;
  }
  return true;
}

}  // namespace

TEST_CASE("stack sizes: a parked task of the smallest class costs a page, a cell and its share of page tables",
          "[fresh]") {
  if (sanitizer::address_sanitizer || sanitizer::thread_sanitizer || csp_test::emulated() ||
      memory_page_size() != 4096) {
    WARN("SKIPPED: costs are those of plain builds with pages of 4 KiB");
    return;
  }
  // 16 bytes of page table for 8 KiB of address space, and 8 of the table of those; some tasks in 509 were measured.
  const std::size_t smallest = parked_cost(8 * 1024);
  CAPTURE(smallest);
  CHECK(smallest <= 4096 + sizeof(task) + 64);
  // 512 bytes of page table for 256 KiB, and a part of the cells that the run before has left.
  const std::size_t usual = parked_cost(0);
  CAPTURE(usual);
  CHECK(usual <= 4096 + sizeof(task) + 512 + 64);
}

// This program is linked with -z now: the dynamic linker would bind functions at their first call, on the stack of the
// task that calls, and saves there all vector registers.
TEST_CASE("stack sizes: 8 KiB suffice for a task that talks, selects and sleeps") {
  if (sanitizer::address_sanitizer || sanitizer::thread_sanitizer || csp_test::emulated() ||
      memory_page_size() != 4096) {
    WARN("SKIPPED: instrumented frames are larger, and a stack is of two pages at least");
    return;
  }
  on_each_topology([](expectations& expect, unsigned) {
    constexpr int tasks = 300;
    csp::chan<int> in;
    csp::chan<int> out(8);
    for (int i = 0; i < tasks; ++i) {
      csp::go({.stack_size = 8 * 1024}, [=] {
        const int value = *in.recv();
        csp::sleep_for(std::chrono::microseconds(10));
        csp::select(csp::on_send(out, value), csp::on_timeout(std::chrono::hours(1), [] {}));
      });
    }
    csp::go([=] {
      for (int i = 0; i < tasks; ++i) {
        in.send(i);
      }
    });
    int sum = 0;
    for (int i = 0; i < tasks; ++i) {
      sum += *out.recv();
    }
    expect(sum == tasks * (tasks - 1) / 2, "every value came back");
  });
}

TEST_CASE("private bytes: each task has its own, zero at the start, and they outlive its waits") {
  on_each_topology([](expectations& expect, unsigned) {
    constexpr unsigned tasks = 200;
    csp::wait_group ended(tasks);
    expect(csp::private_memory().empty(), "none were asked for");
    for (unsigned i = 0; i < tasks; ++i) {
      const std::size_t size = i % 5 * 100;
      csp::go({.stack_size = 64 * 1024, .private_bytes = size}, [&, i, size] {
        const std::span<std::byte> mine = csp::private_memory();
        expect(mine.size() >= size && mine.size() < size + 16, "the size");
        expect(std::all_of(mine.begin(), mine.end(), [](std::byte each) { return each == std::byte{0}; }), "zero");
        std::fill(mine.begin(), mine.end(), static_cast<std::byte>(i));
        csp::yield();
        static_cast<void>(use(2'000));
        csp::sleep_for(std::chrono::microseconds(i));
        const std::span<std::byte> again = csp::private_memory();
        expect(again.data() == mine.data() && again.size() == mine.size(), "the same");
        expect(std::all_of(again.begin(), again.end(), [i](std::byte each) { return each == std::byte(i); }), "kept");
        ended.done();
      });
    }
    ended.wait();
    try {
      csp::go({.stack_size = 64 * 1024, .private_bytes = 16 * 1024 + 1}, [] {});
      expect(false, "too many");
    } catch (const std::invalid_argument&) {
    }
    csp::heap_stacks heap;
    csp::spawn({.stack_size = 64 * 1024, .private_bytes = 512, .stacks = heap}, [&] {
      std::memset(csp::private_memory().data(), 7, 512);
      csp::yield();
      expect(csp::private_memory()[511] == std::byte{7}, "on the heap");
    }).join();
  });
  CHECK(csp::private_memory().empty());  // a plain thread
}

TEST_CASE("stack use: the depth of a spawn site's tasks is measured", "[fresh]") {
  if (!measures()) {
    return;
  }
  const unsigned line = __LINE__ + 6;
  csp::run(with(2), [] {
    for (int wave = 0; wave < 40; ++wave) {
      csp::wait_group ended(500);
      for (int i = 0; i < 500; ++i) {
        const std::size_t depth = i % 50 == 0 ? 60'000 : 20'000;
        csp::go([&ended, depth] {
          static_cast<void>(use(depth));
          csp::yield();  // each has a stack of its own
          ended.done();
        });
      }
      ended.wait();
    }
  });
  const auto all = csp::stack_use_by_site();
  const auto found = std::find_if(all.begin(), all.end(), [&](const csp::stack_use& each) {
    return each.file.ends_with("stack_sizes_test.cpp") && each.line >= line && each.line <= line + 2;
  });
  REQUIRE(found != all.end());
  CAPTURE(found->samples, found->deepest, found->line);
  CHECK(found->samples >= 10);
  CHECK(found->deepest >= 20'000);
  CHECK(found->deepest <= 80'000 * times_deeper);
  CHECK_FALSE(found->function.empty());
}

TEST_CASE("stack use: a depth is told to the word, on every class", "[fresh]") {
  if (!measures()) {
    return;
  }
  auto arena = std::make_unique<stack_arena>();
  for (unsigned cls = 0; cls < stack_class_count; ++cls) {
    if (stack_class_size(cls) < 2 * memory_page_size()) continue;
    arena->reserve(cls, 1);
    stack_block* const block = arena->carve_or_take(cls);
    auto* const top = static_cast<std::byte*>(block->usable_top);
    std::fill(block->usable_bottom(), top, std::byte{1});  // what an earlier task has left
    REQUIRE(prepare_stack_measurement(*block));
    CHECK(measure_stack(*block) == 0);
    for (const std::size_t depth :
         {std::size_t{8}, std::size_t{1000}, block->usable_size() / 2 - 3, block->usable_size()}) {
      top[-static_cast<std::ptrdiff_t>(depth)] = std::byte{1};
      CHECK(measure_stack(*block) == depth);
    }
  }
}

TEST_CASE("stack use: the table keeps sites apart, and is full some day", "[fresh]") {
  auto table = std::make_unique<stack_usage_table>();
  static const char file_a[] = "a.cpp";
  static const char file_b[] = "b.cpp";
  CHECK(table->find(file_a, 1).samples == 0);
  table->record(file_a, "f", 1, 100);
  table->record(file_a, "f", 1, 50);
  table->record(file_b, "g", 1, 7);
  CHECK(table->find(file_a, 1).samples == 2);
  CHECK(table->find(file_a, 1).deepest == 100);
  CHECK(table->find(file_b, 1).deepest == 7);
  CHECK(table->find(file_a, 2).samples == 0);
  for (unsigned line = 2; line < 2 * stack_usage_table::most_sites; ++line) table->record(file_a, "f", line, line);
  std::size_t sites = 0;
  table->for_each([&](const stack_usage&) { ++sites; });
  CHECK(sites == stack_usage_table::most_sites);
  CHECK(table->find(file_a, 1).samples == 2);
  CHECK(table->find(file_a, 2 * stack_usage_table::most_sites - 1).samples == 0);
}

TEST_CASE("stack use: the class follows what was seen, with room to spare, and never exceeds the default", "[fresh]") {
  auto table = std::make_unique<stack_usage_table>();
  static const char file[] = "a.cpp";
  const unsigned usual = stack_class_for(256 * 1024).value();
  const auto after = [&](unsigned line, std::size_t depth, unsigned samples) {
    for (unsigned i = 0; i < samples; ++i) table->record(file, "f", line, depth);
    return table->choose_class(file, line, usual);
  };
  CHECK(after(1, 1'000, stack_usage_table::samples_for_choice - 1) == usual);
  CHECK(after(1, 1'000, 1) == stack_class_for(16 * 1024));
  CHECK(after(2, 20'000, stack_usage_table::samples_for_choice) == stack_class_for(64 * 1024));
  CHECK(after(2, 100'000, 1) == usual);
  CHECK(after(3, 200'000, stack_usage_table::samples_for_choice) == usual);
}

TEST_CASE("stack use: tasks that ask for it get a smaller class once enough were measured", "[fresh]") {
  if (!measures()) {
    return;
  }
  const unsigned usual = stack_class_for(256 * 1024).value();
  std::atomic<unsigned> smallest{usual};
  std::atomic<unsigned> first{0};
  csp::run(with(1), [&] {
    for (int wave = 0; wave < 60; ++wave) {
      csp::wait_group ended(500);
      for (int i = 0; i < 500; ++i) {
        csp::go({.measured_stack = true}, [&, wave] {
          static_cast<void>(use(3'000));
          csp::yield();
          const unsigned mine = class_of_running_task();
          if (wave == 0) first = mine;
          smallest = std::min(smallest.load(), mine);
          ended.done();
        });
      }
      ended.wait();
    }
  });
  CHECK(first == usual);
  CHECK(smallest >= stack_class_for(16 * 1024));
  CHECK(smallest <= stack_class_for(16 * 1024 * times_deeper));
}
