// Cells: the pooled memory of tasks. A cell is cut from a slab that is never unmapped, so a task's block can be looked
// at through a stale pointer, and all tasks can be listed by walking the slabs: neither costs a spawn anything.
//
// The arena is one for the process; each processor has a pool (cell_pool) in front of it.
#pragma once

#include "sched/base/atomic.h"
#include "sched/base/sanitizer.h"
#include "sched/base/spinlock.h"
#include "sched/task.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace csp::inline v0::detail {

class cell_arena {
 public:
  static cell_arena& instance() noexcept;

  /// Takes up to `count` free cells, at least one, and few that have never been used; the count. Throws std::bad_alloc
  /// when there is no memory for one. Any thread.
  std::uint32_t take(task** cells, std::uint32_t count);

  /// Gives free cells back. Any thread.
  void give(task** cells, std::uint32_t count) noexcept;

  /// Calls visit(task&, generation) for every cell that held a task at the time. Any thread; the task may end
  /// meanwhile.
  template <class Visitor>
  void for_each_live(Visitor&& visit) {
    // acquire: pairs with the release in grow(); the slab's fields are complete.
    for (slab* at = slabs_.load(std::memory_order_acquire); at != nullptr; at = at->next) {
      // acquire: pairs with the release in take(); the cells below are constructed.
      const std::uint32_t carved = at->carved.load(std::memory_order_acquire);
      for (std::uint32_t i = 0; i < carved; ++i) {
        task& candidate = *at->cell(i);
        const std::uint32_t generation = candidate.generation.get();
        if (generation % 2 == 1) {
          visit(candidate, generation);
        }
      }
    }
  }

 private:
  /// 1 MiB: a million tasks need fewer than 450 mappings, and a small program touches only what it uses.
  static constexpr std::size_t slab_size = std::size_t{1} << 20;
  /// So many new cells at once, about two pages: the kernel has to make each, and whoever spawns waits for it. (With a
  /// page at a time, tasks without end cost 4 % more.)
  static constexpr std::uint32_t most_carved = 16;

  struct alignas(cache_line) slab {
    slab* next = nullptr;
    atomic<std::uint32_t> carved{0};

    static constexpr std::uint32_t capacity = (slab_size - cache_line) / sizeof(task);
    [[nodiscard]] task* cell(std::uint32_t index) noexcept {
      return reinterpret_cast<task*>(reinterpret_cast<std::byte*>(this) + cache_line +
                                     std::size_t{index} * sizeof(task));
    }
  };

  slab* grow();

  spinlock lock_{lock_rank::arena};
  task* free_ = nullptr;  // linked through queue_next
  atomic<slab*> slabs_{nullptr};
};

/// The free cells of one processor, LIFO. One thread at a time.
class cell_pool {
 public:
  cell_pool() = default;
  ~cell_pool() { flush(); }
  cell_pool(const cell_pool&) = delete;
  cell_pool& operator=(const cell_pool&) = delete;

  /// A free cell; throws std::bad_alloc.
  [[nodiscard]] task* take() {
    if (count_ == 0) [[unlikely]] {
      refill();
    }
    task* const cell = cells_[--count_];
    sanitizer::observe(cell);
    return cell;
  }

  /// Gives a free cell back.
  void give(task* cell) noexcept {
    sanitizer::publish(cell);
    if (count_ == limit_) [[unlikely]] {
      spill(batch);
    }
    cells_[count_++] = cell;
  }

  /// Gives all cells back to the arena: the processor stops.
  void flush() noexcept { spill(count_); }

 private:
  /// A processor that frees what another spawns touches the arena once in so many.
  static constexpr std::uint32_t batch = 64;
  /// What a wave of some thousand tasks leaves behind is there for the next one. The arena links its cells, so each
  /// taken from there is a cache miss; here it costs a pointer, and 900 KiB of cells at the most stay with a processor.
  /// Only a processor that spawns, though: each refill doubles what it keeps. One that ends what others spawn gives the
  /// cells back soon, or those would go on to fresh memory.
  static constexpr std::uint32_t capacity = 32 * batch;
  static constexpr std::uint32_t first_limit = 2 * batch;

  CSP_NOINLINE void refill();
  CSP_NOINLINE void spill(std::uint32_t count) noexcept;

  std::uint32_t count_ = 0;
  std::uint32_t limit_ = first_limit;
  std::array<task*, capacity> cells_{};
};

}  // namespace csp::inline v0::detail
