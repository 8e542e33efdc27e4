#include "sched/cell_arena.h"

#include <algorithm>
#include <new>

#include <sys/mman.h>

namespace csp::inline v0::detail {

cell_arena& cell_arena::instance() noexcept {
  // Never destroyed: threads may look at cells until the process ends.
  alignas(cell_arena) static std::byte memory[sizeof(cell_arena)];
  static cell_arena* const arena = new (memory) cell_arena;
  return *arena;
}

cell_arena::slab* cell_arena::grow() {
  void* const memory =
      ::mmap(nullptr, slab_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    return nullptr;
  }
  slab* const fresh = new (memory) slab;
  fresh->next = slabs_.load(std::memory_order_relaxed);
  // release: pairs with the acquire in for_each_live().
  slabs_.store(fresh, std::memory_order_release);
  return fresh;
}

std::uint32_t cell_arena::take(task** cells, std::uint32_t count) {
  std::uint32_t taken = 0;
  {
    const spinlock_guard guard(lock_);
    while (taken < count && free_ != nullptr) {
      cells[taken++] = free_;
      free_ = free_->queue_next;
    }
    slab* at = slabs_.load(std::memory_order_relaxed);
    const std::uint32_t enough = std::min(count, std::max(taken, most_carved));
    while (taken < enough) {
      if (at == nullptr || at->carved.load(std::memory_order_relaxed) == slab::capacity) {
        at = grow();
        if (at == nullptr) {
          break;
        }
      }
      const std::uint32_t index = at->carved.load(std::memory_order_relaxed);
      cells[taken++] = new (at->cell(index)) task;
      // release: pairs with the acquire in for_each_live().
      at->carved.store(index + 1, std::memory_order_release);
    }
  }
  if (taken == 0) {
    throw std::bad_alloc();
  }
  return taken;
}

void cell_arena::give(task** cells, std::uint32_t count) noexcept {
  const spinlock_guard guard(lock_);
  for (std::uint32_t i = 0; i < count; ++i) {
    cells[i]->queue_next = free_;
    free_ = cells[i];
  }
}

void cell_pool::refill() {
  count_ = cell_arena::instance().take(cells_.data(), batch);
  limit_ = std::min(2 * limit_, capacity);
  for (std::uint32_t i = 0; i < count_; ++i) {
    sanitizer::publish(cells_[i]);
  }
}

void cell_pool::spill(std::uint32_t count) noexcept {
  count_ -= count;
  for (std::uint32_t i = 0; i < count; ++i) {
    sanitizer::observe(cells_[count_ + i]);
  }
  cell_arena::instance().give(cells_.data() + count_, count);
}

}  // namespace csp::inline v0::detail
