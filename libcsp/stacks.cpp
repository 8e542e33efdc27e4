#include <libcsp/stacks.h>

#include "sched/base/tls.h"
#include "sched/processor.h"
#include "sched/stack_class.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstdint>
#include <new>
#include <stdexcept>

namespace csp::inline v0 {
namespace {

constexpr std::size_t alignment = 64;  // a cache line, as the header of a stack

}  // namespace

stack_memory mapped_stacks::allocate(std::size_t size) {
  const std::size_t page = detail::memory_page_size();
  const std::size_t bytes = (size + page - 1) / page * page;
  const int saved_errno = errno;
  void* const memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED || ::mprotect(memory, page, PROT_NONE) != 0) {
    if (memory != MAP_FAILED) {
      ::munmap(memory, bytes);
    }
    errno = saved_errno;
    throw std::bad_alloc();
  }
  errno = saved_errno;
  return {static_cast<std::byte*>(memory), bytes, true};
}

void mapped_stacks::deallocate(stack_memory memory) noexcept {
  const int saved_errno = errno;
  ::munmap(memory.base, memory.size);
  errno = saved_errno;
}

stack_memory heap_stacks::allocate(std::size_t size) {
  return {static_cast<std::byte*>(::operator new(size, std::align_val_t(alignment))), size, false};
}

void heap_stacks::deallocate(stack_memory memory) noexcept {
  ::operator delete(memory.base, std::align_val_t(alignment));
}

buffer_stacks::buffer_stacks(std::span<std::byte> buffer, std::size_t each) : each_(each / alignment * alignment) {
  if (each_ < detail::smallest_stack) {
    throw std::invalid_argument("csp::buffer_stacks: a stack has 8 KiB at least");
  }
  const auto begin = reinterpret_cast<std::uintptr_t>(buffer.data());
  const std::size_t skipped = (alignment - begin % alignment) % alignment;
  if (buffer.size() < skipped) {
    return;
  }
  capacity_ = (buffer.size() - skipped) / each_;
  for (std::size_t i = capacity_; i != 0; --i) {
    auto* const at = ::new (static_cast<void*>(buffer.data() + skipped + (i - 1) * each_)) free_stack;
    at->next = free_;
    free_ = at;
  }
}

stack_memory buffer_stacks::allocate(std::size_t size) {
  const detail::spinlock_guard guard(lock_);
  free_stack* const found = size <= each_ ? free_ : nullptr;
  if (found == nullptr) {
    throw std::bad_alloc();
  }
  free_ = found->next;
  return {reinterpret_cast<std::byte*>(found), each_, false};
}

void buffer_stacks::deallocate(stack_memory memory) noexcept {
  auto* const freed = ::new (static_cast<void*>(memory.base)) free_stack;
  const detail::spinlock_guard guard(lock_);
  freed->next = free_;
  free_ = freed;
}

std::span<std::byte> private_memory() noexcept {
  const detail::processor* const here = detail::this_processor();
  const detail::task* const self = here != nullptr ? here->current() : nullptr;
  if (self == nullptr || self->private_units == 0) {
    return {};
  }
  const std::size_t size = detail::private_bytes_of(*self);
  return {static_cast<std::byte*>(self->stack->usable_top) - size, size};
}

}  // namespace csp::inline v0
