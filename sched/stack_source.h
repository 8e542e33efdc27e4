// Where a task's stack comes from, if not from the pool: memory of the user's, through an allocator of two functions.
#pragma once

#include <concepts>
#include <cstddef>
#include <type_traits>

namespace csp::inline v0 {

/// Memory for one stack, from `base` upwards.
struct stack_memory {
  std::byte* base = nullptr;
  std::size_t size = 0;
  /// The lowest page faults when it is touched, and `base` is page aligned. Otherwise libcsp writes zeros there and
  /// looks at them when the task ends.
  bool guarded = false;
};

/// What gives and takes stack memory. Both functions are called on any thread, by several at once.
/// - `allocate(size)` in the task or thread that spawns: at least `size` bytes; what it throws leaves the spawn.
/// - `deallocate(memory)` when the task has ended, on the stack of another one: it must not block, park, throw or need
///   more than 2 KiB of stack.
template <class T>
concept stack_allocator = requires(T& allocator, std::size_t size, stack_memory memory) {
  { allocator.allocate(size) } -> std::same_as<stack_memory>;
  { allocator.deallocate(memory) }
  noexcept->std::same_as<void>;
};

/// Refers to a stack_allocator, which must outlive every task that has a stack of it. An empty one stands for the
/// scheduler's choice.
class stack_source {
 public:
  constexpr stack_source() noexcept = default;
  // Not for a stack_source, whose functions look like an allocator's: a copy of it refers to what it refers to.
  // NOLINTBEGIN(google-explicit-constructor): a reference
  template <stack_allocator Allocator>
  requires(!std::same_as<std::remove_cv_t<Allocator>, stack_source>) constexpr stack_source(
      Allocator& allocator) noexcept
      : object_(&allocator), functions_(&functions_of<Allocator>) {}
  // NOLINTEND(google-explicit-constructor)

  /// The scheduler's own pool, also where the scheduler was given another source.
  [[nodiscard]] static constexpr stack_source pooled() noexcept {
    stack_source result;
    result.functions_ = &no_functions;
    return result;
  }

  [[nodiscard]] constexpr bool empty() const noexcept { return functions_ == nullptr; }
  /// True when it refers to an allocator.
  [[nodiscard]] constexpr bool is_custom() const noexcept { return object_ != nullptr; }

  [[nodiscard]] stack_memory allocate(std::size_t size) const { return functions_->allocate(object_, size); }
  void deallocate(stack_memory memory) const noexcept { functions_->deallocate(object_, memory); }

 private:
  struct functions {
    stack_memory (*allocate)(void* object, std::size_t size);
    void (*deallocate)(void* object, stack_memory memory) noexcept;
  };
  template <class Allocator>
  static constexpr functions functions_of = {
      [](void* object, std::size_t size) { return static_cast<Allocator*>(object)->allocate(size); },
      [](void* object, stack_memory memory) noexcept { static_cast<Allocator*>(object)->deallocate(memory); }};
  static constexpr functions no_functions = {nullptr, nullptr};

  void* object_ = nullptr;
  const functions* functions_ = nullptr;
};

}  // namespace csp::inline v0
