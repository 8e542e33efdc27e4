// Stacks from elsewhere than the pool: csp::options::stacks for all tasks of a scheduler, csp::task_options::stacks for
// one. docs/memory.md tells when that pays.
#pragma once

#include "sched/base/config.h"
#include "sched/base/spinlock.h"
#include "sched/stack_source.h"

#include <cstddef>
#include <span>

namespace csp::inline v0 {

/// A mapping for each stack, with a guard page; the number of them is limited by vm.max_map_count (two each). An mmap
/// and a munmap a task.
class CSP_API mapped_stacks {
 public:
  [[nodiscard]] stack_memory allocate(std::size_t size);  ///< \throws std::bad_alloc
  void deallocate(stack_memory memory) noexcept;
};

/// Memory of operator new: no guard page.
class CSP_API heap_stacks {
 public:
  [[nodiscard]] stack_memory allocate(std::size_t size);  ///< \throws std::bad_alloc
  void deallocate(stack_memory memory) noexcept;
};

/// Stacks of one size in a buffer of the user's, which outlives this object and its stacks: no guard page, and no more
/// tasks at a time than fit.
class CSP_API buffer_stacks {
 public:
  /// `each`: bytes of a stack, from 8 KiB up; rounded down to 64. \throws std::invalid_argument below that
  buffer_stacks(std::span<std::byte> buffer, std::size_t each);
  buffer_stacks(const buffer_stacks&) = delete;
  buffer_stacks& operator=(const buffer_stacks&) = delete;

  /// \throws std::bad_alloc when all are in use or `size` is above what each has
  [[nodiscard]] stack_memory allocate(std::size_t size);
  void deallocate(stack_memory memory) noexcept;

  /// Stacks that fit.
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

 private:
  struct free_stack {
    free_stack* next;
  };
  std::size_t each_;
  std::size_t capacity_ = 0;
  detail::spinlock lock_{detail::lock_rank::arena};
  free_stack* free_ = nullptr;
};

/// The private bytes of the running task (task_options::private_bytes), zero when it starts; empty outside such a task.
/// They lie on its stack and end with it.
[[nodiscard]] CSP_API std::span<std::byte> private_memory() noexcept;

}  // namespace csp::inline v0
