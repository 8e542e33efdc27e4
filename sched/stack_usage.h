// How deep stacks are used, by spawn site: a sample of the tasks is measured to the word.
//
// A pool prepares one stack in some hundreds: the memory that earlier tasks have touched is dropped or zeroed. When the
// task has ended, the lowest word that is not zero tells how deep it went. Only tasks that a stack was bound for are
// measured, not those that took over the stack of one that had just ended: they did not wait.
//
// The table is of a fixed size and never shrinks; what does not fit is not measured. Recording takes a lock; looking up
// does not.
#pragma once

#include "sched/base/atomic.h"
#include "sched/base/relaxed.h"
#include "sched/base/spinlock.h"
#include "sched/stack_block.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace csp::inline v0::detail {

/// What is known of the tasks of one spawn site.
struct stack_usage {
  const char* file = nullptr;
  const char* function = nullptr;
  unsigned line = 0;
  std::uint32_t samples = 0;
  std::size_t deepest = 0;  // bytes below the top
};

/// Makes a stack that nobody runs on ready to be measured; false when the kernel refuses.
[[nodiscard]] bool prepare_stack_measurement(const stack_block& block) noexcept;

/// Bytes that were used of a prepared stack; nobody runs on it any more.
[[nodiscard]] std::size_t measure_stack(const stack_block& block) noexcept;

class stack_usage_table {
 public:
  /// Spawn sites that a program may have; 28 KiB.
  static constexpr std::size_t most_sites = 512;
  /// Fewer samples tell too little of a site for choosing a class by them.
  static constexpr std::uint32_t samples_for_choice = 16;

  static stack_usage_table& instance() noexcept;

  /// Adds a sample. Any thread.
  void record(const char* file, const char* function, unsigned line, std::size_t depth) noexcept;
  /// What is known of a site. Any thread, lock-free.
  [[nodiscard]] stack_usage find(const char* file, unsigned line) const noexcept;
  /// The class for tasks of a site: twice what was ever seen, and room for a signal's frame; `fallback`, which is never
  /// exceeded, while too little is known.
  [[nodiscard]] unsigned choose_class(const char* file, unsigned line, unsigned fallback) const noexcept;

  /// Calls visit(stack_usage) for every site that was measured. Any thread.
  template <class Visitor>
  void for_each(Visitor&& visit) const {
    for (const entry& each : entries_) {
      // acquire: pairs with the release in record().
      if (each.file.load(std::memory_order_acquire) != nullptr) {
        visit(each.snapshot());
      }
    }
  }

 private:
  struct entry {
    atomic<const char*> file{nullptr};  // written last
    relaxed<const char*> function;
    relaxed<unsigned> line;
    relaxed<std::uint32_t> samples;  // written under the lock
    relaxed<std::size_t> deepest;    // written under the lock
    [[nodiscard]] stack_usage snapshot() const noexcept {
      return {file.load(std::memory_order_relaxed), function.get(), line.get(), samples.get(), deepest.get()};
    }
  };
  [[nodiscard]] static std::size_t first_place(const char* file, unsigned line) noexcept;
  /// Its entry or the free one where it belongs; null when the table is full.
  [[nodiscard]] const entry* locate(const char* file, unsigned line) const noexcept;

  spinlock lock_{lock_rank::arena};
  std::array<entry, most_sites> entries_{};
};

}  // namespace csp::inline v0::detail
