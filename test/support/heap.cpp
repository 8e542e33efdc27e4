#include "test/support/heap.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

namespace csp_test::heap {
namespace {

// Relaxed: who compares two counts has joined the threads and tasks between them.
std::atomic<std::size_t> allocations{0};
std::atomic<std::size_t> releases{0};

constexpr std::size_t plain_alignment = __STDCPP_DEFAULT_NEW_ALIGNMENT__;

// Neither is inlined: a compiler that sees through one of a pair of new and delete takes them for a mismatch.
[[gnu::noinline]] void* allocate(std::size_t size, std::size_t alignment) noexcept {
  const std::size_t whole = (size + alignment - 1) / alignment * alignment;  // as aligned_alloc wants it
  void* const memory = whole < size                   ? nullptr              // beyond what a size can say
                       : alignment <= plain_alignment ? std::malloc(std::max<std::size_t>(size, 1))
                                                      : std::aligned_alloc(alignment, std::max(whole, alignment));
  if (memory != nullptr) {
    allocations.fetch_add(1, std::memory_order_relaxed);
  }
  return memory;
}

[[gnu::noinline]] void release(void* memory) noexcept {
  if (memory != nullptr) {
    releases.fetch_add(1, std::memory_order_relaxed);
    std::free(memory);
  }
}

void* allocate_or_throw(std::size_t size, std::size_t alignment) {
  if (void* const memory = allocate(size, alignment)) {
    return memory;
  }
  throw std::bad_alloc();
}

}  // namespace

std::size_t made() noexcept { return allocations.load(std::memory_order_relaxed); }
std::size_t live() noexcept { return made() - releases.load(std::memory_order_relaxed); }

}  // namespace csp_test::heap

using csp_test::heap::allocate;
using csp_test::heap::allocate_or_throw;
using csp_test::heap::plain_alignment;
using csp_test::heap::release;

// All of them: AddressSanitizer has its own for those that a program leaves out.
void* operator new(std::size_t size) { return allocate_or_throw(size, plain_alignment); }
void* operator new[](std::size_t size) { return allocate_or_throw(size, plain_alignment); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate_or_throw(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return allocate_or_throw(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size, plain_alignment); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return allocate(size, plain_alignment); }
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { release(memory); }
void operator delete[](void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { release(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t, const std::nothrow_t&) noexcept { release(memory); }
void operator delete[](void* memory, std::align_val_t, const std::nothrow_t&) noexcept { release(memory); }
