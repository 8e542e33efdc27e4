#include "sched/stack_slabs.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

#include "sched/base/sanitizer.h"

namespace csp::inline v0::detail {
namespace {

// Colours: a step is a cache line. 32 of them take half a page, so that the other half still holds what a parked task
// has on its stack, and the task costs one page; against no colours that halved the cost of a switch in a round of
// 1000 tasks, where 16 colours gained a third. Stacks of neighbouring indices, which tend to run together, are 13 lines
// apart; 13 is coprime to the number of colours. The smallest class has one page to use and can spare less of it.
constexpr std::size_t colour_step = 64;
constexpr std::size_t colour_stride = 13;
constexpr std::size_t colours(unsigned cls) noexcept { return cls == 0 ? 8 : 32; }

// The parts of an extent. An edition tells a slab from the one that had its slot before.
constexpr unsigned class_shift = 32;
constexpr unsigned edition_shift = 40;
constexpr std::uint64_t one_edition = std::uint64_t{1} << edition_shift;
constexpr std::uint32_t stacks_of(std::uint64_t extent) noexcept { return static_cast<std::uint32_t>(extent); }
constexpr unsigned class_of(std::uint64_t extent) noexcept {
  return static_cast<unsigned>(extent >> class_shift) & 0xFF;
}

std::size_t slab_bytes(unsigned cls, std::size_t stacks) noexcept {
  const std::size_t page = memory_page_size();
  return stacks * stack_class_stride(cls) + (stacks + page - 1) / page * page;
}

std::byte* map_pages(void* where, std::size_t bytes, int flags) noexcept {
  void* const memory = ::mmap(where, bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK | flags, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  // A huge page would make the first touch of one stack cost 2 MiB. Fails where there are none: as good.
  ::madvise(memory, bytes, MADV_NOHUGEPAGE);
  return static_cast<std::byte*>(memory);
}

}  // namespace

std::size_t stack_slab::mapped_bytes() const noexcept { return slab_bytes(class_index, stacks); }

std::byte* map_slab(unsigned cls, std::size_t stacks) noexcept {
  return map_pages(nullptr, slab_bytes(cls, stacks), 0);
}

void unmap_slab(unsigned cls, std::byte* base, std::size_t stacks) noexcept {
  const int saved_errno = errno;
  sanitizer::unpoison(base, stacks * stack_class_stride(cls));
  ::munmap(base, slab_bytes(cls, stacks));
  errno = saved_errno;
}

bool renew_slab_range(std::byte* begin, std::size_t bytes) noexcept {
  const int saved_errno = errno;
  const bool renewed = map_pages(begin, bytes, MAP_FIXED) != nullptr;
  if (renewed) sanitizer::unpoison(begin, bytes);
  errno = saved_errno;
  return renewed;
}

stack_block* stack_header_at(std::byte* base, unsigned cls, std::uint32_t index) noexcept {
  const std::size_t gap = index * colour_stride % colours(cls) * colour_step;
  std::byte* const top = base + index * stack_class_stride(cls) + stack_class_size(cls);
  return reinterpret_cast<stack_block*>(top - gap - sizeof(stack_block));
}

stack_slab* stack_slab_table::publish(unsigned cls, std::byte* base, std::size_t stacks) noexcept {
  const thread_mutex_guard hold(lock_);
  const std::size_t count = count_.load(std::memory_order_relaxed);  // written under this lock only
  const auto free_slot =
      std::find_if(slots_.begin(), slots_.begin() + static_cast<std::ptrdiff_t>(count),
                   [](const stack_slab& slot) { return stacks_of(slot.extent.load(std::memory_order_relaxed)) == 0; });
  if (free_slot == slots_.end()) return nullptr;
  stack_slab& slot = *free_slot;
  slot.next = nullptr;
  slot.base = base;
  slot.states = reinterpret_cast<std::uint8_t*>(base + stacks * stack_class_stride(cls));
  slot.stacks = static_cast<std::uint32_t>(stacks);
  slot.taken = slot.released = slot.cursor = 0;
  slot.class_index = cls;
  const std::uint64_t edition = slot.extent.load(std::memory_order_relaxed) / one_edition + 1;
  slot.address.store(reinterpret_cast<std::uintptr_t>(base), std::memory_order_release);  // [SL2] pairs with find()
  slot.extent.store(edition * one_edition + (std::uint64_t{cls} << class_shift) + stacks,
                    std::memory_order_release);  // [SL3] pairs with find()
  if (free_slot == slots_.begin() + static_cast<std::ptrdiff_t>(count))
    count_.store(count + 1, std::memory_order_release);  // [SL1] pairs with find()
  used_.fetch_add(1, std::memory_order_relaxed);
  return &slot;
}

void stack_slab_table::retire(stack_slab& gone) noexcept {
  const thread_mutex_guard hold(lock_);
  const std::uint64_t edition = gone.extent.load(std::memory_order_relaxed) / one_edition;
  // Before the slot's next address: who sees that one by [SL2] sees that this slab has gone.
  gone.extent.store(edition * one_edition, std::memory_order_release);
  used_.fetch_sub(1, std::memory_order_relaxed);
}

stack_block* stack_slab_table::find(const void* address) const noexcept {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  const std::size_t count = count_.load(std::memory_order_acquire);  // [SL1]
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t extent = slots_[i].extent.load(std::memory_order_acquire);  // [SL3]
    if (stacks_of(extent) == 0) continue;
    const std::uintptr_t base = slots_[i].address.load(std::memory_order_acquire);  // [SL2]
    const unsigned cls = class_of(extent);
    const std::size_t size = stack_class_stride(cls);
    const std::uintptr_t offset = wanted - base;
    if (offset >= stacks_of(extent) * size) continue;  // also when wanted is below base: the difference wraps
    if (slots_[i].extent.load(std::memory_order_relaxed) != extent) continue;  // after [SL2]: a new slab in the slot
    return stack_header_at(reinterpret_cast<std::byte*>(base), cls, static_cast<std::uint32_t>(offset / size));
  }
  return nullptr;
}

}  // namespace csp::inline v0::detail
