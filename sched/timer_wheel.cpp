#include "sched/timer_wheel.h"

#include "sched/waiter.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace csp::inline v0::detail {

unsigned timer_wheel::first_slot() const noexcept {
  if (emptied_ != nowhere) {
    return emptied_;
  }
  const auto level = static_cast<unsigned>(std::countr_zero(levels_));
  return level * digits + static_cast<unsigned>(std::countr_zero(occupied_[level]));
}

std::uint64_t timer_wheel::start_of(unsigned at) const noexcept {
  const unsigned shift = at / digits * digit_bits;
  const std::uint64_t round = shift + digit_bits < 64 ? present_ >> (shift + digit_bits) << digit_bits : 0;
  return (round + at % digits) << shift;
}

void timer_wheel::insert(timer& item) noexcept {
  const std::uint64_t tick = tick_of(item.when);
  // The highest digit in which it differs from the present; they do differ.
  const auto bits_above_first = static_cast<unsigned>(std::bit_width((tick ^ present_) >> digit_bits));
  const unsigned level = (bits_above_first + digit_bits - 1) / digit_bits;
  const auto digit = static_cast<unsigned>(tick >> (level * digit_bits)) % digits;
  const unsigned at = level * digits + digit;
  slot& place = slots_[at];
  item.slot = static_cast<std::uint16_t>(at);
  item.previous = nullptr;
  item.next = place.first;
  item.child = std::exchange(place.newest[place.turn], &item);
  place.turn = (place.turn + 1) % lead;
  if (place.first != nullptr) {
    place.first->previous = &item;
  } else {
    levels_ |= 1U << level;
    occupied_[level] |= std::uint64_t{1} << digit;
  }
  place.first = &item;
  place.earliest = std::min(place.earliest, item.when);
  if (emptied_ != nowhere) {
    slots_[emptied_].earliest = std::min(slots_[emptied_].earliest, item.when);
  }
}

void timer_wheel::remove(timer& item) noexcept {
  slot& place = slots_[item.slot];
  if (item.next != nullptr) {
    item.next->previous = item.previous;
  }
  if (item.previous != nullptr) {
    item.previous->next = item.next;
  } else {
    place.first = item.next;
    if (place.first == nullptr) {
      note_empty(item.slot);
    }
  }
}

void timer_wheel::note_empty(unsigned at) noexcept {
  const unsigned level = at / digits;
  slots_[at].earliest = never;
  occupied_[level] &= ~(std::uint64_t{1} << at % digits);
  if (occupied_[level] == 0) {
    levels_ &= ~(1U << level);
  }
  if (emptied_ == at) {
    emptied_ = nowhere;
  }
}

timer* timer_wheel::advance(nanos now, std::uint32_t limit, bool& done) noexcept {
  const std::uint64_t target = tick_of(now);
  timer* near = nullptr;
  while (levels_ != 0) {
    const unsigned at = first_slot();
    if (emptied_ == nowhere) {
      const std::uint64_t start = start_of(at);
      if (start > target) {
        break;
      }
      // What is narrower is empty. Slot by slot, however late it is: what is near stays few.
      present_ = start;
      emptied_ = static_cast<std::uint16_t>(at);
    }
    slot& place = slots_[at];
    while (timer* const item = place.first) {
      if (limit == 0) {
        done = false;
        return near;
      }
      --limit;
      __builtin_prefetch(item->child);
      place.first = item->next;
      if (place.first != nullptr) {
        place.first->previous = nullptr;
      }
      if (is_near(item->when)) {
        // It is woken soon.
        __builtin_prefetch(item->sleeper);
        __builtin_prefetch(reinterpret_cast<const char*>(item->sleeper) + cache_line);
        __builtin_prefetch(reinterpret_cast<const char*>(item->sleeper) + 2 * cache_line);
        item->next = near;
        near = item;
      } else {
        insert(*item);
      }
    }
    note_empty(at);
    if (near != nullptr) {
      done = true;
      return near;
    }
  }
  present_ = std::max(present_, target);
  done = true;
  return near;
}

std::size_t timer_wheel::size() const noexcept {
  std::size_t count = 0;
  for (const slot& place : slots_) {
    for (const timer* at = place.first; at != nullptr; at = at->next) {
      ++count;
    }
  }
  return count;
}

}  // namespace csp::inline v0::detail
