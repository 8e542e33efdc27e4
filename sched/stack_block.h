// The header of a stack, one cache line right above the usable memory.
#pragma once

#include "sched/base/atomic.h"

#include <cstddef>
#include <cstdint>

#include "sched/stack_class.h"
#include "sched/stack_guard.h"

namespace csp::inline v0::detail {

struct alignas(64) stack_block {
  stack_block* next = nullptr;         // links for the one who owns the idle stack (depot, pool): the colder neighbour
  stack_block* previous = nullptr;     // the hotter one
  void* usable_top = nullptr;          // where the first frame starts: coloured, 16-byte aligned
  std::byte* base = nullptr;           // lowest address: the guard page
  std::size_t size = 0;                // from base, guard page, header and colour gap included
  atomic<const void*> owner{nullptr};  // the task that runs here, for the overflow message; null when idle
  void* fiber = nullptr;               // the sanitizer's notion of this stack
  std::uint32_t class_index = 0;
  stack_guard_kind guard = stack_guard_kind::canary;
  atomic<std::uint8_t> carved{0};  // last field written by a carve: lookup() trusts the block
  bool measured = false;           // its task's depth is recorded when it ends (stack_usage.h)

  // Lowest address that frames may use, and how many bytes there are.
  std::byte* usable_bottom() const noexcept { return base + memory_page_size(); }
  std::size_t usable_size() const noexcept {
    return static_cast<std::size_t>(static_cast<std::byte*>(usable_top) - usable_bottom());
  }
};
static_assert(sizeof(stack_block) == 64, "one cache line");

}  // namespace csp::inline v0::detail
