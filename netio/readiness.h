// One direction of one file descriptor, as a poller sees it: who waits for it, and how many edges it has had.
//
// There is no "ready" bit. Whoever wants to read or write notes the count of edges, tries, and on EAGAIN waits unless
// the count has changed since. An edge raises the count and wakes the first in line; whoever was woken by an edge and
// got what it came for wakes the next (`pass_on`). So nobody sleeps over data:
// - a rival that tried before the edge sees the count and tries again;
// - a rival that tried after the edge and got EAGAIN will get an edge of its own;
// - all others are in line, and the wake goes through it until somebody meets EAGAIN.
//
// Entries are never freed, so a canceller may look at a stale one.
#pragma once

#include "channel/channel.h"
#include "sched/base/atomic.h"
#include "sched/base/spinlock.h"
#include "sched/base/tls.h"
#include "sched/park.h"
#include "sched/wait_list.h"
#include "sched/wait_queue.h"

#include <cstdint>

namespace csp::inline v0::detail {

enum class io_direction : std::uint8_t { read, write };

/// How a wait for readiness ended. `ready`: try again. `failed`: nobody can wait for this one; errno says why.
enum class [[nodiscard]] io_wait : std::uint8_t{ready, timeout, closed, canceled, failed};

/// What a watch channel carries; see readiness::watch().
struct io_signal {};
using watch_channel = channel<io_signal>;

class CSP_API readiness {
 public:
  /// The count of edges; to be noted before a try. Any thread.
  [[nodiscard]] std::uint32_t edges() const noexcept {
    // [RD1] acquire: pairs with [RD2]; the try comes after.
    return edges_.load(std::memory_order_acquire);
  }

  /// True when a short read or write after `edges()` was noted has shown that nothing is left until the next edge
  /// (epoll(7), question 9), so that a try would only say EAGAIN. Any thread.
  [[nodiscard]] bool is_drained() const noexcept { return drained_.load(std::memory_order_relaxed) == edges(); }
  /// Notes that; `seen` is what edges() was before the call that came out short.
  void note_drained(std::uint32_t seen) noexcept { drained_.store(seen, std::memory_order_relaxed); }

  /// Waits unless there was an edge since `seen` was noted. A cancellation point, but reports it. Any task or thread.
  CSP_ALWAYS_INLINE io_wait wait(std::uint32_t seen, wait_kind kind, nanos deadline) {
    if (must_cancel(this_processor())) [[unlikely]] {
      return io_wait::canceled;
    }
    lock_.lock();
    if (edges_.load(std::memory_order_relaxed) != seen) {
      lock_.unlock();
      return io_wait::ready;
    }
    queue_wait request{waiting_, lock_, kind, true};
    const wake_reason reason = deadline == never ? wait_exclusive(request) : wait_in_queue_until(request, deadline);
    return reason == wake_reason::timeout    ? io_wait::timeout
           : reason == wake_reason::canceled ? io_wait::canceled
           : request.node->take_closed()     ? io_wait::closed
                                             : io_wait::ready;
  }

  /// An edge: wakes the first in line and all who watch. Any thread.
  void signal() noexcept;

  /// Wakes all who wait, to look again. Any thread.
  void nudge() noexcept;

  /// Brings the first in line into the caches. Any thread.
  void prefetch() const noexcept { __builtin_prefetch(waiting_.first_place()); }

  /// After a success that followed a wait: the next in line may find something too. Any thread.
  void pass_on() noexcept {
    if (!waiting_.empty()) [[unlikely]] {
      wake_next();
    }
  }

  /// The descriptor goes: wakes all who wait, with io_wait::closed, or `ready` for a poller that only gives it up.
  void evict(bool closed) noexcept;

  /// The channel that gets a signal with each edge while somebody holds it; it is closed on evict(). For select.
  /// Throws std::bad_alloc.
  [[nodiscard]] channel_pointer<watch_channel> watch();

  /// Sends a signal to each who waits on such a channel, and one for who comes next. Any thread.
  static void notify(watch_channel& watchers) noexcept;

  /// True when somebody waits. Any thread.
  [[nodiscard]] bool anybody_waits() noexcept;

 private:
  void wake_next() noexcept;

  spinlock lock_{lock_rank::readiness};
  atomic<std::uint32_t> edges_{1};           // changed under lock_
  atomic<std::uint32_t> drained_{0};         // never equal to the count before it was noted
  wait_queue waiting_;                       // guarded by lock_
  channel_pointer<watch_channel> watchers_;  // guarded by lock_
};

}  // namespace csp::inline v0::detail
