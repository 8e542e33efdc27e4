// Select: waits on many channels at once, and exactly one operation happens.
//
// First every arm is looked at without a lock, and one of those that look ready is chosen with equal chances and tried.
// If none is ready, all distinct channels are locked in address order, looked at again, and a node is linked in each;
// so no waiter is linked while its owner still looks, and two selects that meet need one compare-and-swap, never two.
// A select that would not wait answers so only for a moment in which no arm was ready; so with several arms it locks as
// well. After Go's runtime/select.go.
#pragma once

#include "channel/channel.h"
#include "sched/open_wait.h"
#include "sched/switch_task.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>

namespace csp::inline v0::detail {

/// One operation on a channel, as select sees it.
struct select_operation {
  enum class direction : std::uint8_t { none, send, receive };

  channel_base* target = nullptr;   // null: nil channel, never ready
  void* value = nullptr;            // T* to send, std::optional<T>* to receive into
  direction way = direction::none;  // none: not an operation on a channel

  [[nodiscard]] CSP_ALWAYS_INLINE bool takes_part() const noexcept {
    return target != nullptr && way != direction::none;
  }
  /// A glance without the lock: would an attempt get anywhere?
  [[nodiscard]] CSP_ALWAYS_INLINE bool looks_ready() const noexcept {
    if (!takes_part()) {
      return false;
    }
    return way == direction::send ? target->may_send() : target->may_receive();
  }
};

/// One arm of a select that waits; lives in the selecting frame. Its node is made when it has to, which most need not.
struct select_arm : select_operation {
  bool closed = false;  // out: the channel was closed
  union {
    wait_node node;
  };

  select_arm() noexcept {}  // NOLINT(modernize-use-equals-default): the node stays unmade
};

/// What a select came to, when no arm was done.
inline constexpr int select_timeout = -1;
inline constexpr int select_would_block = -2;

/// For how long a select waits.
struct select_limit {
  nanos deadline = never;
  /// The deadline was ahead a moment ago: it need not be compared with the clock, which takes as long as two switches.
  bool ahead = false;

  [[nodiscard]] bool has_passed() const noexcept { return !ahead && deadline != never && deadline <= current_time(); }
};

/// Of the parts below: nothing is ready.
inline constexpr int select_must_wait = -3;

/// How an attempt at an operation that looked ready came out; `lost`: a rival was faster.
enum class select_attempt { lost, done, closed };

/// After the unlock: the value that still has to move, and the partner's wake. `Channel` is channel_base, or what the
/// channel is known to be: then nothing is called by way of a table.
template <class Channel>
CSP_ALWAYS_INLINE void deliver(Channel& target, void* value, select_operation::direction way,
                               const channel_base::handoff& result) noexcept {
  if (result.partner == nullptr) {
    return;
  }
  if (result.value_pending) {
    way == select_operation::direction::send ? target.move_to(*result.partner, value)
                                             : target.move_from(*result.partner, value);
  }
  make_ready(*result.partner->owner);
}

/// Does an operation that looked ready, under its channel's lock alone. `way` is not none.
template <class Channel>
[[nodiscard]] CSP_ALWAYS_INLINE select_attempt attempt_ready(Channel& target, void* value,
                                                             select_operation::direction way, bool may_wait) noexcept {
  if (may_wait) {
    lock_shared(target.lock, this_processor());
  } else {
    scheduling_point();
    target.lock.lock();
  }
  channel_base::handoff result;
  const auto outcome = way == select_operation::direction::send ? target.attempt_send(value, result)
                                                                : target.attempt_receive(value, result);
  target.lock.unlock();
  if (outcome == channel_base::attempt::must_wait) {
    return select_attempt::lost;
  }
  deliver(target, value, way, result);
  return outcome == channel_base::attempt::closed ? select_attempt::closed : select_attempt::done;
}
/// The same as a call, for channels of several types.
[[nodiscard]] CSP_API select_attempt attempt_any(channel_base& target, void* value, select_operation::direction way,
                                                 bool may_wait) noexcept;

/// Of several bits that are set, one with equal chances.
[[nodiscard]] CSP_API int choose_of_several(std::uint64_t ready) noexcept;
/// The same of one or several.
[[nodiscard]] CSP_ALWAYS_INLINE int choose_bit(std::uint64_t ready) noexcept {
  return (ready & (ready - 1)) == 0 ? std::countr_zero(ready) : choose_of_several(ready);
}

/// As many as a word has bits: so many operations try_operations() can look at.
inline constexpr std::size_t most_arms_at_once = 64;

/// The pointer, on its own: gcc fills an array of them with stores of two at a time otherwise, and the looks that
/// follow wait for those, since they load one at a time.
[[nodiscard]] CSP_ALWAYS_INLINE channel_base* apart(channel_base* target) noexcept {
  asm("" : "+r"(target));
  return target;
}

/// Operations whose directions are known at compile time; a null target is never ready. `Channel` and `Way`: what all
/// that have a channel have in common; channel_base where they have nothing.
template <class Channel, select_operation::direction Way, select_operation::direction... Ways>
struct operation_set {
  static constexpr std::size_t size = sizeof...(Ways);
  static constexpr std::array<select_operation::direction, size> ways{Ways...};
  std::array<channel_base*, size> targets;
  std::array<void*, size> values;

  /// Does one that looked ready.
  [[nodiscard]] CSP_ALWAYS_INLINE select_attempt attempt(std::size_t at, bool may_wait) const noexcept {
    if constexpr (std::is_same_v<Channel, channel_base>) {
      return attempt_any(*targets[at], values[at], ways[at], may_wait);
    } else {
      return attempt_ready(static_cast<Channel&>(*targets[at]), values[at], Way, may_wait);
    }
  }
};

/// Looks for a ready one of the operations and does it; else select_must_wait. Throws canceled.
template <class Channel, select_operation::direction Way, select_operation::direction... Ways>
CSP_ALWAYS_INLINE int try_operations(const operation_set<Channel, Way, Ways...>& operations, bool may_wait,
                                     bool& closed) {
  static_assert(sizeof...(Ways) <= most_arms_at_once);
  cancellation_point();
  for (;;) {
    std::uint64_t ready = 0;
    std::size_t at = 0;
    [[maybe_unused]] const auto look = [&](select_operation::direction way) {
      const bool is_ready = select_operation{operations.targets[at], nullptr, way}.looks_ready();
      ready |= std::uint64_t{is_ready} << at;
      ++at;
    };
    (look(Ways), ...);
    if (ready == 0) {
      return select_must_wait;
    }
    // Taken from arrays: no branch could foretell which one it is.
    const int chosen = choose_bit(ready);
    const select_attempt outcome = operations.attempt(static_cast<std::size_t>(chosen), may_wait);
    if (outcome != select_attempt::lost) [[likely]] {
      closed = outcome == select_attempt::closed;
      return chosen;
    }
    // What looked ready is not, and the next glance sees that.
  }
}

/// The same for operations that are known at run time. Throws canceled.
CSP_API int try_select(std::span<select_arm> arms, bool may_wait);

/// `attempt` twice, if the first comes to nothing, with a step aside between them: to wait at several channels costs
/// more than two switches, and the partner of the last select may be about to come back.
template <class Attempt>
CSP_ALWAYS_INLINE int try_patiently(std::size_t arms, bool may_wait, const Attempt& attempt) {
  // In a loop, for it to be called, and inlined, in one place.
  for (bool stepped = false;; stepped = true) {
    const int done = attempt();
    if (done != select_must_wait || !may_wait || arms <= 1) {
      return done;
    }
    if (stepped) {
      note_vain_step();
      return done;
    }
    if (!step_aside(arms)) {
      return done;
    }
  }
}

/// When that found nothing. Looks with all channels locked; or leaves every one locked with a node linked in it, and
/// `request` ready for wait_open(), which releases the locks.
CSP_API int begin_select(std::span<select_arm> arms, std::span<spinlock*> locks, select_limit limit, bool may_wait,
                         std::optional<open_wait>& request);
/// After that wait: takes the losers' nodes out of their queues. Throws canceled.
CSP_API int end_select(std::span<select_arm> arms, wake_reason reason);

/// When no arm was ready: looks at all at once, and waits if it may. As run_select.
CSP_ALWAYS_INLINE int wait_select(std::span<select_arm> arms, std::span<spinlock*> locks, select_limit limit,
                                  bool may_wait) {
  std::optional<open_wait> request;
  const int done = begin_select(arms, locks, limit, may_wait, request);
  return done != select_must_wait ? done : end_select(arms, wait_open(*request));
}

/// Does one of the arms. `locks` is room for as many pointers as there are arms. Returns the index of the arm that was
/// done (see its `closed`), select_would_block (only if not `may_wait`) or select_timeout. Throws canceled, with every
/// value untouched. From a task or a plain thread. Inlined: see switch_task.h on frames below a switch.
CSP_ALWAYS_INLINE int run_select(std::span<select_arm> arms, std::span<spinlock*> locks, select_limit limit,
                                 bool may_wait) {
  const int done = try_patiently(arms.size(), may_wait, [&] { return try_select(arms, may_wait); });
  return done != select_must_wait ? done : wait_select(arms, locks, limit, may_wait);
}

}  // namespace csp::inline v0::detail
