// Who searches and who sleeps: the word {searching, parked} of a scheduler and the list of its parked processors.
//
// Protocol (docs/scheduler.md tells it with the designs refused):
//   submit: push the task, fence, read the word; wake one if nobody searches and somebody is parked.
//   sleep:  enter the list (parked + 1, and searching - 1 for a searcher, in one RMW), heavy fence, look at every queue
//           again, sleep.
// So either the submitter sees the sleeper, or the sleeper sees the task. A searcher that finds work and was the last
// one wakes another; whoever parks while nobody searches looks again, for a submitter may have met neither a searcher
// nor a sleeper; who parks beside a searcher leaves that to it. The submitter inside a processor uses a light fence,
// for the sleeper's is heavy.
#pragma once

#include "sched/base/atomic.h"
#include "sched/base/relaxed.h"
#include "sched/base/spinlock.h"

#include <cstdint>

namespace csp::inline v0::detail {

class processor;

/// A processor's place in the list of parked ones; guarded by the list's lock.
struct idle_entry {
  idle_entry* next = nullptr;
  idle_entry* previous = nullptr;
  processor* self = nullptr;
  bool listed = false;
  bool last = false;  // woken when nobody else is parked. Set by the processor before it parks
};

class idle_set {
 public:
  /// True when a submitter must wake somebody: nobody searches and somebody is parked. After a fence.
  [[nodiscard]] CSP_ALWAYS_INLINE bool needs_wake() const noexcept {
    const std::uint64_t word = word_.load(std::memory_order_relaxed);
    return searching(word) == 0 && word >= one_parked;
  }

  /// Becomes a searcher unless half of the busy processors search already. `active` is how many processors run.
  [[nodiscard]] bool try_begin_search(std::uint32_t active) noexcept;

  /// Stops searching with work in hand; true when it was the last searcher, who must call take_to_wake().
  [[nodiscard]] bool end_search() noexcept;

  /// Lists a processor as parked; `searched`: it stops searching by the same step. True when nobody searches now: then
  /// the caller, after its fence, must look at every queue.
  [[nodiscard]] bool park(idle_entry& entry, bool searched) noexcept;

  /// Takes a processor off the list; false when a waker took it first, and then it starts as a searcher.
  [[nodiscard]] bool leave(idle_entry& entry) noexcept;

  /// Takes a parked processor to be woken as a searcher; null when somebody searches already or nobody is parked. It is
  /// the one that parked last, but for `skipped` ones that a simulator passes over.
  [[nodiscard]] processor* take_to_wake(std::uint32_t skipped = 0) noexcept;

  /// A processor sleeps for a moment that it has chosen, without being parked; a fence and a look at the shared queues
  /// follow. There is one place: of several only the last to come can be woken.
  void begin_rest(processor& self) noexcept { resting_.store(&self, std::memory_order_relaxed); }
  /// It is awake again, whoever has woken it.
  void end_rest(processor& self) noexcept {
    processor* mine = &self;
    // relaxed: the pointer is all there is, and processors are never freed.
    resting_.compare_exchange_strong(mine, nullptr, std::memory_order_relaxed);
  }
  /// Takes one that rests, to be woken; null when none is in the place. After a full fence.
  [[nodiscard]] processor* take_resting() noexcept {
    return resting_.load(std::memory_order_relaxed) == nullptr ? nullptr
                                                               : resting_.exchange(nullptr, std::memory_order_relaxed);
  }

  /// How often a processor has left the list. Unchanged between two looks: those that were parked slept throughout.
  [[nodiscard]] std::uint64_t departures() const noexcept { return departures_.load(std::memory_order_seq_cst); }
  /// True when `count` are parked; `departures`: as above, at that very moment. What they did before is seen.
  [[nodiscard]] bool are_parked(std::uint32_t count, std::uint64_t& departures) noexcept;
  [[nodiscard]] std::uint32_t searchers() const noexcept { return searching(word_.load(std::memory_order_relaxed)); }
  [[nodiscard]] std::uint32_t parked() const noexcept {
    return static_cast<std::uint32_t>(word_.load(std::memory_order_relaxed) >> 32);
  }

 private:
  static constexpr std::uint64_t one_parked = std::uint64_t{1} << 32;
  static constexpr std::uint32_t searching(std::uint64_t word) noexcept { return static_cast<std::uint32_t>(word); }
  void unlink(idle_entry& entry) noexcept;

  alignas(cache_line) atomic<std::uint64_t> word_{0};
  atomic<std::uint64_t> departures_{0};  // raised under lock_, before the word changes
  atomic<processor*> resting_{nullptr};
  spinlock lock_{lock_rank::idle};
  idle_entry* first_ = nullptr;  // parked last, woken first: its caches are warm; behind these the `last` ones
};

}  // namespace csp::inline v0::detail
