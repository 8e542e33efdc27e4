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

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace csp::inline v0::detail {

/// One arm on a channel; lives in the selecting frame. Its node is made when the select has to wait, which most need
/// not.
struct select_arm {
  enum class direction : std::uint8_t { none, send, receive };

  channel_base* target = nullptr;   // null: nil channel, never ready
  void* value = nullptr;            // T* to send, std::optional<T>* to receive into
  direction way = direction::none;  // none: not an operation on a channel
  bool closed = false;              // out: the channel was closed
  union {
    wait_node node;
  };

  select_arm() noexcept {}  // NOLINT(modernize-use-equals-default): the node stays unmade
  [[nodiscard]] bool takes_part() const noexcept { return target != nullptr && way != direction::none; }
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

/// Looks for a ready arm and does it, one channel's lock at a time. Throws canceled.
CSP_API int try_select(std::span<select_arm> arms, bool may_wait);
/// When that found nothing. Looks with all channels locked; or leaves every one locked with a node linked in it, and
/// `request` ready for wait_open(), which releases the locks.
CSP_API int begin_select(std::span<select_arm> arms, std::span<spinlock*> locks, select_limit limit, bool may_wait,
                         std::optional<open_wait>& request);
/// After that wait: takes the losers' nodes out of their queues. Throws canceled.
CSP_API int end_select(std::span<select_arm> arms, wake_reason reason);

/// Does one of the arms. `locks` is room for as many pointers as there are arms. Returns the index of the arm that was
/// done (see its `closed`), select_would_block (only if not `may_wait`) or select_timeout. Throws canceled, with every
/// value untouched. From a task or a plain thread. Inlined: see switch_task.h on frames below a switch.
CSP_ALWAYS_INLINE int run_select(std::span<select_arm> arms, std::span<spinlock*> locks, select_limit limit,
                                 bool may_wait) {
  int done = try_select(arms, may_wait);
  // To wait at several channels costs more than two switches: the partner of the last select may be about to come back.
  if (done == select_must_wait && may_wait && arms.size() > 1 && step_aside()) {
    done = try_select(arms, may_wait);
    if (done == select_must_wait) {
      note_vain_step();
    }
  }
  if (done != select_must_wait) {
    return done;
  }
  std::optional<open_wait> request;
  done = begin_select(arms, locks, limit, may_wait, request);
  if (done != select_must_wait) {
    return done;
  }
  return end_select(arms, wait_open(*request));
}

}  // namespace csp::inline v0::detail
