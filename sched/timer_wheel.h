// The timers that are not due soon: a hierarchical timing wheel (Varghese and Lauck 1987). A slot of level n is 64
// times as wide as one of level n - 1; as time comes to a slot, its timers are taken out, to go into narrower slots, or
// to where the ones that are due soon are kept in order. Putting in and taking out is O(1), and touches no other timers
// than the neighbours in a slot's list.
//
// Invariants
// - `present` is a tick that never goes back. Every timer in the wheel lies in a later one, apart from those of the
//   slot that is being emptied. While there is one no other slot's `earliest` is read, so it is lowered for whatever is
//   put in meanwhile.
// - A timer's level is that of the highest digit (base 64) in which its tick differs from `present`, its slot is that
//   digit. So all of a level lies before all of the next level, and no slot holds two rounds.
// - A slot's `earliest` is no later than its first timer, and exact as long as none is taken out of it.
#pragma once

#include "sched/base/config.h"
#include "sched/timer.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace csp::inline v0::detail {

/// One thread at a time: guarded by its heap's lock.
class timer_wheel {
 public:
  /// 65.5 us: a slot of the lowest level holds what comes due within that time, few enough for caches and for a heap of
  /// them, and a sleep of a few milliseconds goes to that level at once.
  static constexpr unsigned tick_shift = CSP_SHRUNK(16, 1);
  /// A timer's `slot` when it is not in the wheel.
  static constexpr std::uint16_t nowhere = 0xffff;

  /// The tick that a time lies in; times before 0 are long past.
  [[nodiscard]] static std::uint64_t tick_of(nanos when) noexcept {
    return when > 0 ? static_cast<std::uint64_t>(when) >> tick_shift : 0;
  }

  /// True for a timer that is too near for the wheel.
  [[nodiscard]] bool is_near(nanos when) const noexcept { return tick_of(when) <= present_; }
  /// True for a timer that is due within 8.4 ms.
  [[nodiscard]] bool is_brief(nanos when) const noexcept { return tick_of(when) < present_ + 2 * digits; }
  /// No timer that is armed is earlier; `never` when there is none.
  [[nodiscard]] nanos earliest() const noexcept { return levels_ != 0 ? slots_[first_slot()].earliest : never; }
  /// When an advance() is worth while though nothing is due: new timers would go to slots that are wider than needed.
  [[nodiscard]] nanos stale_at() const noexcept { return static_cast<nanos>((present_ + digits) << tick_shift); }

  /// Puts a timer in that is not near.
  void insert(timer& item) noexcept;
  /// Takes out a timer that is in the wheel.
  void remove(timer& item) noexcept;

  /// Moves on towards `now`, to the first slot whose timers are near then; those are linked through `next` and
  /// returned. At most `limit` timers are moved; `done` is false when that was too few for a slot, which then goes on
  /// to be emptied.
  [[nodiscard]] timer* advance(nanos now, std::uint32_t limit, bool& done) noexcept;

  /// Any timer; null when there is none.
  [[nodiscard]] timer* any() const noexcept { return levels_ != 0 ? slots_[first_slot()].first : nullptr; }
  /// How many there are; looks at each.
  [[nodiscard]] std::size_t size() const noexcept;

 private:
  static constexpr unsigned digit_bits = 6;
  static constexpr unsigned digits = 1U << digit_bits;
  /// Enough for every nanos.
  static constexpr unsigned levels = (63 - tick_shift + digit_bits - 1) / digit_bits;

  /// Who empties a slot meets timers that have left the caches, one behind the other. So each keeps a pointer to the
  /// one that was put in so many before it: the walk brings that close, and waits for the page tables of several at
  /// once; a core has some six walkers.
  static constexpr std::size_t lead = 8;

  struct slot {
    timer* first = nullptr;
    nanos earliest = never;
    std::array<timer*, lead> newest{};  // put in last, in turn; may have gone
    std::size_t turn = 0;
  };

  /// The one that time comes to first; there is one. A slot that is being emptied comes before all others.
  [[nodiscard]] unsigned first_slot() const noexcept;
  /// The first tick of a slot.
  [[nodiscard]] std::uint64_t start_of(unsigned at) const noexcept;
  void note_empty(unsigned at) noexcept;

  std::uint64_t present_ = 0;
  std::uint16_t emptied_ = nowhere;               // the slot that is being emptied
  std::uint32_t levels_ = 0;                      // those that have timers, a bit for each
  std::array<std::uint64_t, levels> occupied_{};  // their slots, a bit for each
  std::array<slot, levels * digits> slots_{};
};

}  // namespace csp::inline v0::detail
