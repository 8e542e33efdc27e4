// Stacks in memory of a stack_source: a header at the top of each, made at the spawn, so that binding cannot fail.
//
// They have a class of their own, of which no pool keeps any: their credits are free, and give() hands the memory back.
#pragma once

#include "sched/stack_block.h"
#include "sched/stack_source.h"

#include <cstddef>

namespace csp::inline v0::detail {

struct custom_stack_block : stack_block {
  stack_source source;
  stack_memory memory;
};

/// A stack of at least `size` bytes from a custom source. Throws what the source throws, or std::bad_alloc when the
/// memory is smaller.
[[nodiscard]] stack_block* make_custom_stack(const stack_source& source, std::size_t size);

/// Gives its memory back to its source. Nobody runs on it any more.
void release_custom_stack(stack_block* block) noexcept;

}  // namespace csp::inline v0::detail
