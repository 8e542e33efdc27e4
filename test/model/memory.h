// The memory model: C11 atomics as a machine with a view for each thread.
//
// Each variable has a list of stores in modification order, each thread a view: for each variable the oldest store that
// coherence still lets it read. A store carries the view that whoever acquires it joins; a read-modify-write hands on
// the view of the store that it read (release sequences). Fences and seq_cst operations go through a global view.
//
// It is RC11 (Lahav and others, "Repairing sequential consistency in C/C++11", 2017; C++20 follows it) but for this:
// - Stores enter the modification order when they are executed. Executions in which program order, reads-from and
//   modification order form a cycle (stores of one thread in reverse, as in 2+2W with relaxed stores) are not seen.
// - A load cannot read a store that comes later (load buffering); RC11 forbids cycles of it as well.
// - Compare-exchanges fail for nothing neither here nor in atomics.h.
// - Plain memory of the code under test is sequentially consistent; races are found on model::plain variables only.
//   Beside the view of stores a clock of happens-before is kept for these.
#pragma once

#include "test/model/operation.h"

#include <array>
#include <cstdint>
#include <vector>

namespace model {

/// Thread 0 sets up and looks at the end.
inline constexpr unsigned most_threads = 6;
/// More than any scenario touches; a view is copied with each store.
inline constexpr unsigned most_variables = 320;

/// For each variable a number of a store, for each thread how many of its operations happened before.
class view {
 public:
  [[nodiscard]] std::uint16_t store_of(unsigned variable) const noexcept {
    return variable < size_ ? stores_[variable] : std::uint16_t{0};
  }
  void raise(unsigned variable, std::uint16_t store) noexcept;
  /// Both parts; or the stores alone, which is what an order of fences without synchronization gives.
  void join(const view& other) noexcept;
  void join_stores(const view& other) noexcept;
  void assign(const view& other) noexcept;
  void clear() noexcept;

  std::array<std::uint16_t, most_threads> clock{};

 private:
  void grow(unsigned size) noexcept;

  unsigned size_ = 0;  // entries from here on are 0 and not written
  std::array<std::uint16_t, most_variables> stores_;
};

class memory {
 public:
  static constexpr std::uint32_t no_event = ~std::uint32_t{0};

  memory();
  /// Forgets everything: a new execution.
  void reset() noexcept;
  /// A thread is started by thread 0, or thread 0 has waited for its end.
  void start_thread(unsigned thread) noexcept;
  void join_thread(unsigned thread) noexcept;

  /// A new variable with its first value, which everybody sees.
  unsigned add_variable(std::uint64_t value) noexcept;

  // The stores of a variable.
  [[nodiscard]] std::uint16_t newest(unsigned variable) const noexcept;
  [[nodiscard]] std::uint64_t value_of(unsigned variable, std::uint16_t store) const noexcept;
  [[nodiscard]] std::uint32_t event_of(unsigned variable, std::uint16_t store) const noexcept;
  /// The oldest one that the thread may read.
  [[nodiscard]] std::uint16_t oldest_for(unsigned thread, unsigned variable, order how) const noexcept;

  // Operations.
  void load(unsigned thread, unsigned variable, std::uint16_t store, order how) noexcept;
  void store(unsigned thread, unsigned variable, std::uint64_t value, order how, std::uint32_t event) noexcept;
  /// Reads the newest store and puts one right behind it.
  void modify(unsigned thread, unsigned variable, std::uint64_t value, order how, std::uint32_t event) noexcept;
  void fence(unsigned thread, order how) noexcept;
  void light_fence(unsigned thread) noexcept;
  void heavy_fence(unsigned thread) noexcept;
  /// From now on the thread sees this store: time has passed.
  void catch_up(unsigned thread, unsigned variable, std::uint16_t store) noexcept;

  /// How many operations the thread has made, and how many of another one's happened before its present.
  [[nodiscard]] std::uint16_t clock(unsigned thread, unsigned of) const noexcept {
    return threads_[thread].current.clock[of];
  }

 private:
  struct stored {
    std::uint64_t value = 0;
    std::uint32_t event = no_event;
    view released;
  };
  struct thread_state {
    view current;
    view acquirable;  // what an acquire fence would join
    view released;    // at the last release fence
  };
  stored& append(unsigned variable) noexcept;
  stored& at(unsigned variable, std::uint16_t store) noexcept { return pool_[stores_[variable][store]]; }
  [[nodiscard]] const stored& at(unsigned variable, std::uint16_t store) const noexcept {
    return pool_[stores_[variable][store]];
  }
  void observe(thread_state& self, unsigned variable, std::uint16_t store, order how) noexcept;

  std::array<thread_state, most_threads> threads_;
  std::vector<std::vector<std::uint32_t>> stores_;  // of each variable, places in the pool
  unsigned variables_ = 0;
  std::vector<stored> pool_;
  std::uint32_t used_ = 0;
  view sequential_;  // of seq_cst operations and fences
  view light_;       // what light fences showed to heavy ones
  view heavy_;       // and heavy ones to light ones
};

[[nodiscard]] constexpr bool acquires(order how) noexcept {
  return how == order::acquire || how == order::acquire_release || how == order::sequential;
}
[[nodiscard]] constexpr bool releases(order how) noexcept {
  return how == order::release || how == order::acquire_release || how == order::sequential;
}

}  // namespace model
