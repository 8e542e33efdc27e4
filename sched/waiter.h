// Who waits: the part of a task, or of a plain thread, that its rivals reach; and its place in one queue.
//
// A wait is *exclusive* when it has one queue and no deadline: then the queue's lock decides it, and a canceller takes
// that lock too. Every other wait is *open*: one compare-and-swap on the word decides it. Either way exactly one party
// wins; it stores the outcome, delivers, and makes the owner runnable once.
//
// Invariants
// - The word is published (exclusive or open) only when the owner's context has been saved, under the locks of all
//   queues that it is linked in; a rival that holds such a lock sees a sleeper that is fully parked.
// - Waiters are type-stable: blocks are pooled and never freed, so a canceller may look at a stale one. The wait's
//   number in the word tells it that it came too late.
// - What others reach of a wait lies in the block, not on the owner's stack: queues and timer heaps are walked without
//   touching a stack. A select alone has more places than the block has room for.
// - The own node is used again by the owner's next wait. A winner is done with it before it calls make_ready; a rival
//   that lost has looked at it under the queue's lock, which the owner takes to unlink it; a canceller, as long as
//   leave_exclusive() waits for it.
#pragma once

#include "sched/base/atomic.h"
#include "sched/base/clock.h"
#include "sched/base/config.h"
#include "sched/base/relaxed.h"
#include "sched/base/spinlock.h"

#include <cstdint>

namespace csp::inline v0::detail {

class waiter;
class wait_queue;

/// What ended a wait. Values from `first_case` on are the index of the winning node.
enum class wake_reason : std::uint32_t { none, timeout, canceled, first_case };

/// One place in one wait queue. Each waiter has one of its own; those of a select lie in its frame. Guarded by the
/// queue's lock.
struct wait_node {
  wait_node* next = nullptr;
  wait_node* previous = nullptr;
  waiter* owner = nullptr;
  void* slot = nullptr;      // where the value comes from or goes to
  std::uint64_t ticket = 0;  // the word of an open wait; 0 for an exclusive one
  std::uint32_t index = 0;   // which case of its owner's wait this is
  bool linked = false;
  bool closed = false;  // set by the winner: woken by close(), no value moved

  /// The flag, which is down again afterwards. Owner only, when the wait is over.
  [[nodiscard]] CSP_ALWAYS_INLINE bool take_closed() noexcept {
    if (!closed) [[likely]] {
      return false;
    }
    closed = false;
    return true;
  }
};

class waiter {
 public:
  enum class kind : std::uint8_t { task, thread };

  explicit waiter(kind what) noexcept : kind_(what) { own_.owner = this; }
  waiter(const waiter&) = delete;
  waiter& operator=(const waiter&) = delete;

  [[nodiscard]] bool is_task() const noexcept { return kind_ == kind::task; }

  /// Readies the waiter's own node for its next wait, which has one queue. Owner only: the node of its last wait is in
  /// no queue any more, and who took it from there has looked at it for the last time (see above).
  /// Its ticket is 0 and its flag down, as an exclusive wait wants it: what sets them otherwise takes them back.
  CSP_ALWAYS_INLINE wait_node& prepare_own(void* slot) noexcept {
    own_.slot = slot;
    return own_;
  }
  /// The same for an open wait; its owner sets the ticket back to 0 when it is over.
  wait_node& prepare_own(void* slot, std::uint64_t ticket) noexcept {
    own_.ticket = ticket;
    return prepare_own(slot);
  }

  /// The word that the next open wait will publish. Owner only.
  [[nodiscard]] std::uint64_t next_ticket() const noexcept {
    return (word_.load(std::memory_order_relaxed) & ~phase_mask) + tag_step + open;  // a running owner is not frozen
  }

  /// Ends the exclusive wait that was just published with wake_reason::canceled. The committer, before it unlocks.
  void abandon_exclusive() noexcept;

  /// Makes an open wait decidable. The committer, holding every lock of the wait.
  void publish_open(std::uint64_t ticket, bool cancellable) noexcept {
    cancellable_.set(cancellable);
    // [W1] release: pairs with [W2]; a timer or canceller that wins sees what the owner stored before.
    word_.store(ticket, std::memory_order_release);
  }

  /// Notes where the next exclusive wait, by the own node, will be. Owner only: no canceller looks, as the last wait
  /// has been left.
  CSP_ALWAYS_INLINE void prepare_exclusive(wait_queue& queue, spinlock& lock) noexcept {
    queue_.set(&queue);
    lock_.set(&lock);
  }

  /// Makes that wait visible to a canceller. Returns the lock, which the committer holds.
  CSP_ALWAYS_INLINE spinlock& publish_exclusive(bool cancellable) noexcept {
    const std::uint64_t tag = (word_.load(std::memory_order_relaxed) & ~phase_mask) + tag_step;
    // [W3] release: pairs with [W4]; the canceller sees queue and lock.
    word_.store(tag + (cancellable ? exclusive : idle), std::memory_order_release);
    return *lock_.get();
  }

  /// Ends the open wait that the owner is in, if nobody has done so yet, by its timer; true when this call did, and
  /// then it must call make_ready. By who takes out the timer, under the lock of its heap: the wait cannot be over,
  /// since its owner disarms the timer first.
  [[nodiscard]] bool claim_timeout() noexcept {
    const std::uint64_t ticket = word_.load(std::memory_order_relaxed);
    return (ticket & phase_mask) == open && claim(ticket & ~frozen, wake_reason::timeout);
  }

  /// Tries to decide an open wait; true for the one winner, who then must call make_ready. Any thread.
  [[nodiscard]] bool claim(std::uint64_t ticket, wake_reason reason) noexcept {
    // [W2] acquire: pairs with [W1]. release: pairs with the acquire of a loser, who learns nothing but the loss.
    std::uint64_t word = ticket;
    if (!word_.compare_exchange_strong(word, (ticket & ~phase_mask) + claimed, std::memory_order_acq_rel,
                                       std::memory_order_relaxed)) [[unlikely]] {
      return word == (ticket | frozen) && claim_when_thawed(ticket, reason);
    }
    outcome_ = reason;
    return true;
  }

  /// Decides the exclusive wait that the owner is in. Holding the lock of the queue that the own node was taken from.
  CSP_ALWAYS_INLINE void claim_exclusive() noexcept { outcome_ = wake_reason::first_case; }

  /// Decides the open wait that `node` belongs to. Holding the lock of the queue that the node was taken from.
  [[nodiscard]] CSP_ALWAYS_INLINE bool claim(const wait_node& node) noexcept {
    return claim(node.ticket,
                 static_cast<wake_reason>(static_cast<std::uint32_t>(wake_reason::first_case) + node.index));
  }

  /// The answer, for the owner after its wait.
  [[nodiscard]] wake_reason outcome() const noexcept { return outcome_; }
  void set_outcome(wake_reason reason) noexcept { outcome_ = reason; }

  /// After an exclusive wait: no canceller may still look at its queue when the owner goes on. Owner only.
  CSP_ALWAYS_INLINE void leave_exclusive() noexcept {
    word_.store(word_.load(std::memory_order_relaxed) & ~phase_mask, std::memory_order_relaxed);
    // Pairs with the heavy fence in cancel_wait(): the canceller sees an idle word, or is seen here.
    asymmetric_fence::light();
    // acquire: pairs with the release in cancel_wait(). Its look at the queue came before we go on: the queue may die,
    // and the own node is used again.
    if (inside_.load(std::memory_order_acquire) != outside) [[unlikely]] {
      await_canceller();
    }
  }

  /// Ends the owner's present wait, if it is in a cancellable one, with wake_reason::canceled; true when this call did,
  /// and then it must make the owner ready. The caller has raised the cancel flag and passed a heavy fence after it.
  [[nodiscard]] CSP_API bool cancel_wait() noexcept;

  /// Ends an exclusive wait that the owner is in, though it may not be cancelled, with wake_reason::canceled; true when
  /// it did, and then the caller must make the owner ready. For a simulator, whose one thread runs nobody meanwhile.
  [[nodiscard]] CSP_API bool force_wait() noexcept;

  /// For who changes a waiting owner without ending its wait, in three steps, so that one fence serves many: enter(); a
  /// heavy fence; while_frozen(); leave(). Keeps the owner in its exclusive wait until leave(), as a canceller does;
  /// cancellers wait meanwhile. False when somebody else is inside: then nothing is to be left. Any thread.
  [[nodiscard]] bool enter() noexcept {
    std::uint32_t nobody = outside;
    // acquire: pairs with the release of whoever was inside before.
    return inside_.compare_exchange_strong(nobody, visitor_inside, std::memory_order_acquire,
                                           std::memory_order_relaxed);
  }
  void leave() noexcept {
    // release: pairs with the acquire in await_canceller().
    inside_.store(outside, std::memory_order_release);
  }
  /// Calls act() while the owner is fully parked in a wait that nobody has decided; nobody can, until it returns. False
  /// when it is in no such wait, or in one that can only be ended by its partner. `act` takes no lock and does not
  /// wait. Between enter() and leave().
  template <class Function>
  [[nodiscard]] bool while_frozen(Function act) noexcept {
    // [W4] acquire: pairs with [W1] and [W3].
    std::uint64_t word = word_.load(std::memory_order_acquire);
    if ((word & phase_mask) == open) {
      // relaxed: it is still the word that was read above. A rival's claim fails from now on, and it tries again.
      if (!word_.compare_exchange_strong(word, word | frozen, std::memory_order_relaxed, std::memory_order_relaxed)) {
        return false;
      }
      act();
      // [W5] release: pairs with [W2]; the winner, and whoever runs the owner then, sees what act() did.
      word_.store(word, std::memory_order_release);
      return true;
    }
    if ((word & phase_mask) != exclusive) {
      return false;
    }
    const spinlock_guard guard(*lock_.get());
    if (!own_.linked) {
      return false;
    }
    act();
    return true;
  }

 private:
  static constexpr std::uint64_t idle = 0;       // runs, or waits and cannot be cancelled
  static constexpr std::uint64_t open = 1;       // waits; a compare-and-swap decides
  static constexpr std::uint64_t claimed = 2;    // an open wait that somebody has won
  static constexpr std::uint64_t exclusive = 3;  // waits; the lock of its one queue decides
  static constexpr std::uint64_t phase_mask = 3;
  static constexpr std::uint64_t frozen = 4;  // added to an open wait that cannot be decided for some instructions
  static constexpr std::uint64_t tag_step = 8;

  static constexpr std::uint32_t outside = 0;
  static constexpr std::uint32_t canceller_inside = 1;
  static constexpr std::uint32_t visitor_inside = 2;

  CSP_API CSP_NOINLINE bool claim_when_thawed(std::uint64_t ticket, wake_reason reason) noexcept;

  CSP_API CSP_NOINLINE void await_canceller() noexcept;

  // One cache line: what a rival in the queue and a neighbour's unlinking touch.
  wait_node own_;
  atomic<std::uint64_t> word_{0};
  wake_reason outcome_ = wake_reason::none;
  atomic<std::uint32_t> inside_{outside};

  relaxed<wait_queue*> queue_;  // of the present exclusive wait
  relaxed<spinlock*> lock_;     // that guards queue_
  const kind kind_;
  relaxed<bool> cancellable_;  // of the present open wait
};

/// Makes the owner of a decided wait runnable: a task is pushed to a run queue, a thread is unparked. Called once, by
/// the winner, holding no lock. Never allocates, never fails. `owner` may be gone when this returns.
CSP_API void make_ready(waiter& owner) noexcept;

/// Brings close what an owner that is to be woken soon will touch of its stack first. For who looks at several at once:
/// so the walks through the page tables, one for each stack that was not in use for long, go side by side. A hint; the
/// owner may be woken by others meanwhile.
void prefetch_stack(const waiter& owner) noexcept;

}  // namespace csp::inline v0::detail
