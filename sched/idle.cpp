#include "sched/idle.h"

namespace csp::inline v0::detail {

bool idle_set::try_begin_search(std::uint32_t active) noexcept {
  std::uint64_t word = word_.load(std::memory_order_relaxed);
  do {
    const auto sleeping = static_cast<std::uint32_t>(word >> 32);
    if (2 * searching(word) >= active - (sleeping < active ? sleeping : active)) {
      return false;
    }
    // [ID1] seq_cst: one total order with [ID2], so that the last searcher knows that it is the last.
  } while (!word_.compare_exchange_weak(word, word + 1, std::memory_order_seq_cst, std::memory_order_relaxed));
  return true;
}

bool idle_set::end_search() noexcept {
  // [ID2] seq_cst: see [ID1].
  return searching(word_.fetch_sub(1, std::memory_order_seq_cst)) == 1;
}

bool idle_set::park(idle_entry& entry, bool searched) noexcept {
  const spinlock_guard guard(lock_);
  entry.previous = nullptr;
  entry.next = first_;
  while (entry.last && entry.next != nullptr) {
    entry.previous = entry.next;
    entry.next = entry.next->next;
  }
  (entry.previous != nullptr ? entry.previous->next : first_) = &entry;
  if (entry.next != nullptr) {
    entry.next->previous = &entry;
  }
  entry.listed = true;
  // [ID2] seq_cst, and the caller's heavy fence follows: pairs with the fence of a submitter.
  const std::uint32_t leaving = searched ? 1 : 0;
  return searching(word_.fetch_add(one_parked - leaving, std::memory_order_seq_cst)) == leaving;
}

bool idle_set::leave(idle_entry& entry) noexcept {
  const spinlock_guard guard(lock_);
  if (!entry.listed) {
    return false;
  }
  unlink(entry);
  departures_.fetch_add(1, std::memory_order_seq_cst);
  word_.fetch_sub(one_parked, std::memory_order_seq_cst);
  return true;
}

bool idle_set::are_parked(std::uint32_t count, std::uint64_t& departures) noexcept {
  const spinlock_guard guard(lock_);
  departures = departures_.load(std::memory_order_relaxed);
  return parked() >= count;
}

processor* idle_set::take_to_wake(std::uint32_t skipped) noexcept {
  if (!needs_wake()) {
    return nullptr;
  }
  const spinlock_guard guard(lock_);
  if (first_ == nullptr) {
    return nullptr;
  }
  departures_.fetch_add(1, std::memory_order_seq_cst);
  std::uint64_t word = word_.load(std::memory_order_relaxed);
  do {
    if (searching(word) != 0) {
      return nullptr;
    }
    // [ID2] seq_cst: the woken one counts as a searcher from here on, so other submitters leave it alone.
  } while (
      !word_.compare_exchange_weak(word, word - one_parked + 1, std::memory_order_seq_cst, std::memory_order_relaxed));
  idle_entry* entry = first_;
  for (; skipped != 0 && entry->next != nullptr; --skipped) {
    entry = entry->next;
  }
  unlink(*entry);
  return entry->self;
}

void idle_set::unlink(idle_entry& entry) noexcept {
  if (entry.previous != nullptr) {
    entry.previous->next = entry.next;
  } else {
    first_ = entry.next;
  }
  if (entry.next != nullptr) {
    entry.next->previous = entry.previous;
  }
  entry.listed = false;
}

}  // namespace csp::inline v0::detail
