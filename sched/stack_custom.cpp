#include "sched/stack_custom.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <new>

#include "sched/base/sanitizer.h"

namespace csp::inline v0::detail {

stack_block* make_custom_stack(const stack_source& source, std::size_t size) {
  // As in the pool: a page of guard and one of frames at least.
  const std::size_t wanted = std::max({size, smallest_stack, 2 * memory_page_size()});
  const stack_memory memory = source.allocate(wanted);
  if (memory.base == nullptr || memory.size < wanted) {
    if (memory.base != nullptr) source.deallocate(memory);
    throw std::bad_alloc();
  }
  const auto top = reinterpret_cast<std::uintptr_t>(memory.base) + memory.size;
  const std::uintptr_t header =
      (top - sizeof(custom_stack_block)) / alignof(custom_stack_block) * alignof(custom_stack_block);
  auto* const block = ::new (reinterpret_cast<void*>(header)) custom_stack_block;
  block->usable_top = block;
  block->base = memory.base;
  block->size = memory.size;
  block->class_index = custom_stack_class;
  block->guard = memory.guarded ? stack_guard_kind::protection : stack_guard_kind::canary;
  block->source = source;
  block->memory = memory;
  // Fresh memory of the kernel reads as zero, and costs nothing until it is written to.
  if (!memory.guarded && !stack_canary_intact(memory.base)) std::memset(memory.base, 0, memory_page_size());
  block->carved.store(1, std::memory_order_relaxed);  // no lookup() finds it
  return block;
}

void release_custom_stack(stack_block* block) noexcept {
  sanitizer::unpoison(block->usable_bottom(), block->usable_size());
  sanitizer::destroy_handle(block->fiber);
  const auto& custom = static_cast<const custom_stack_block&>(*block);
  const stack_source source = custom.source;
  const stack_memory memory = custom.memory;
  source.deallocate(memory);
}

}  // namespace csp::inline v0::detail
