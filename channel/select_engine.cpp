#include "channel/select_engine.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <memory>

namespace csp::inline v0::detail {
namespace {

/// Up to so many arms an insertion sort is faster than std::sort.
constexpr std::size_t few_arms = 16;

[[nodiscard]] wait_queue& queue_of(const select_arm& arm) noexcept {
  return arm.way == select_arm::direction::send ? arm.target->senders : arm.target->receivers;
}

[[nodiscard]] CSP_ALWAYS_INLINE std::uint32_t random_below(std::uint32_t bound) noexcept {
  if (processor* const here = this_processor()) {
    return here->random.below(bound);
  }
  return this_thread_random().below(bound);
}

// choose_ready() for more arms than a word has bits: counts, then goes to the one that was chosen.
[[nodiscard]] CSP_NOINLINE int choose_of_many(std::span<const select_arm> arms) noexcept {
  const auto looks_ready = [](const select_arm& arm) { return arm.looks_ready(); };
  const auto ready = static_cast<std::uint32_t>(std::count_if(arms.begin(), arms.end(), looks_ready));
  if (ready == 0) {
    return -1;
  }
  std::uint32_t skip = random_below(ready);
  for (std::size_t i = 0; i < arms.size(); ++i) {
    // The glance may have changed meanwhile: fewer are ready now than counted.
    if (arms[i].looks_ready() && skip-- == 0) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

// Of the arms that look ready, one with equal chances; -1 when there is none. One look at each: the channels' lines may
// be in another core's cache.
[[nodiscard]] int choose_ready(std::span<const select_arm> arms) noexcept {
  if (arms.size() > most_arms_at_once) [[unlikely]] {
    return choose_of_many(arms);
  }
  std::uint64_t ready = 0;
  for (std::size_t i = 0; i < arms.size(); ++i) {
    const bool is_ready = arms[i].looks_ready();
    ready |= std::uint64_t{is_ready} << i;
  }
  return ready != 0 ? choose_bit(ready) : -1;
}

std::span<spinlock*> lock_all(std::span<const select_arm> arms, std::span<spinlock*> room) noexcept {
  std::size_t count = 0;
  for (const select_arm& arm : arms) {
    if (arm.takes_part()) {
      room[count++] = &arm.target->lock;
    }
  }
  if (count > few_arms) {
    std::sort(room.begin(), room.begin() + static_cast<std::ptrdiff_t>(count), std::less<>());
  } else {
    for (std::size_t i = 1; i < count; ++i) {
      spinlock* const moved = room[i];
      std::size_t at = i;
      for (; at > 0 && std::less<>()(moved, room[at - 1]); --at) {
        room[at] = room[at - 1];
      }
      room[at] = moved;
    }
  }
  std::size_t distinct = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (distinct == 0 || room[distinct - 1] != room[i]) {
      room[distinct++] = room[i];
    }
  }
  const auto locks = room.first(distinct);
  for (spinlock* const lock : locks) {
    lock->lock();
  }
  return locks;
}

void unlock_all(std::span<spinlock* const> locks) noexcept {
  for (spinlock* const lock : locks) {
    lock->unlock();
  }
}

// True when the glances before tell that there was a moment in which no arm was ready. Of several arms each may
// have been ready while another one was looked at: a channel of one place is always ready to send or to receive. A
// receive from a buffer looks at two facts, and the buffer may be drained after a close that the other look missed.
[[nodiscard]] bool glance_is_exact(std::span<const select_arm> arms) noexcept {
  const select_arm* only = nullptr;
  for (const select_arm& arm : arms) {
    if (arm.takes_part()) {
      if (only != nullptr) {
        return false;
      }
      only = &arm;
    }
  }
  return only == nullptr || only->way == select_arm::direction::send || only->target->capacity() == 0;
}

// With all channels locked a glance is exact, but for nodes whose waits were lost; those fall out while we try.
int try_arms_locked(std::span<select_arm> arms, std::span<spinlock* const> locks) noexcept {
  for (;;) {
    const int chosen = choose_ready(arms);
    if (chosen < 0) {
      return -1;
    }
    select_arm& arm = arms[static_cast<std::size_t>(chosen)];
    channel_base::handoff result;
    const auto outcome = arm.way == select_operation::direction::send ? arm.target->attempt_send(arm.value, result)
                                                                      : arm.target->attempt_receive(arm.value, result);
    if (outcome == channel_base::attempt::must_wait) {
      continue;
    }
    unlock_all(locks);
    arm.closed = outcome == channel_base::attempt::closed;
    deliver(*arm.target, arm.value, arm.way, result);
    return chosen;
  }
}

void unlink_losers(std::span<select_arm> arms, int winner) noexcept {
  for (std::size_t i = 0; i < arms.size(); ++i) {
    if (arms[i].takes_part() && static_cast<int>(i) != winner) {
      const spinlock_guard guard(arms[i].target->lock);
      queue_of(arms[i]).remove(arms[i].node);
    }
  }
}

}  // namespace

int choose_of_several(std::uint64_t ready) noexcept {
  if (ready > 0xff) {
    std::uint64_t rest = ready;
    std::uint32_t skip = random_below(static_cast<std::uint32_t>(std::popcount(ready)));
    while (skip-- != 0) {
      rest &= rest - 1;
    }
    return std::countr_zero(rest);
  }
  // Of two, which is the common case, one or the other.
  const std::uint64_t without_first = ready & (ready - 1);
  if (without_first != 0 && (without_first & (without_first - 1)) == 0) {
    return std::countr_zero(random_below(2) != 0 ? without_first : ready);
  }
  // Up to eight, without a branch, which could not be foretold: each bit becomes a byte, bytes are added up and
  // compared all at once (Vigna, "Broadword Implementation of Rank/Select Queries", 2008).
  constexpr std::uint64_t ones = 0x0101010101010101;
  constexpr std::uint64_t tops = 0x8080808080808080;
  constexpr std::uint64_t diagonal = 0x8040201008040201;
  const std::uint64_t bits = (ready * ones) & diagonal;
  const std::uint64_t ranks = (((bits + (tops - ones)) & tops) >> 7) * ones;  // in byte i: the bits up to the ith
  const std::uint64_t skip = random_below(static_cast<std::uint32_t>(ranks >> 56));
  const std::uint64_t passed = (((skip * ones) | tops) - ranks) & tops;  // in the bytes before the one chosen
  return static_cast<int>(((passed >> 7) * ones) >> 56);
}

select_attempt attempt_any(channel_base& target, void* value, select_operation::direction way, bool may_wait) noexcept {
  return attempt_ready(target, value, way, may_wait);
}

int try_select(std::span<select_arm> arms, bool may_wait) {
  cancellation_point();
  for (;;) {
    const int chosen = choose_ready(arms);
    if (chosen < 0) {
      return select_must_wait;
    }
    select_arm& arm = arms[static_cast<std::size_t>(chosen)];
    const select_attempt outcome = attempt_any(*arm.target, arm.value, arm.way, may_wait);
    if (outcome != select_attempt::lost) {
      arm.closed = outcome == select_attempt::closed;
      return chosen;
    }
    // What looked ready is not, and the next glance sees that.
  }
}

int begin_select(std::span<select_arm> arms, std::span<spinlock*> locks, select_limit limit, bool may_wait,
                 std::optional<open_wait>& request) {
  const bool waits = may_wait && !limit.has_passed();
  const int given_up = may_wait ? select_timeout : select_would_block;
  if (!waits && glance_is_exact(arms)) {
    return given_up;
  }
  if (waits) {
    // May throw (a plain thread's first wait), so before anything is locked.
    request.emplace(wait_kind::select);
  }
  const std::span<spinlock*> held = lock_all(arms, locks);
  if (const int done = try_arms_locked(arms, held); done >= 0) {
    return done;
  }
  if (!waits) {
    unlock_all(held);
    return given_up;
  }
  for (std::size_t i = 0; i < arms.size(); ++i) {
    select_arm& arm = arms[i];
    if (!arm.takes_part()) {
      continue;
    }
    std::construct_at(&arm.node);
    arm.node.owner = &request->owner;
    arm.node.ticket = request->ticket;
    arm.node.slot = arm.value;
    arm.node.index = static_cast<std::uint32_t>(i);
    queue_of(arm).push(arm.node);
  }
  request->deadline = limit.deadline;
  request->locks = held;
  return select_must_wait;
}

int end_select(std::span<select_arm> arms, wake_reason reason) {
  const int winner =
      reason >= wake_reason::first_case
          ? static_cast<int>(static_cast<std::uint32_t>(reason) - static_cast<std::uint32_t>(wake_reason::first_case))
          : -1;
  unlink_losers(arms, winner);
  if (winner >= 0) {
    arms[static_cast<std::size_t>(winner)].closed = arms[static_cast<std::size_t>(winner)].node.closed;
    return winner;
  }
  if (reason == wake_reason::canceled) {
    throw canceled();
  }
  return select_timeout;
}

}  // namespace csp::inline v0::detail
