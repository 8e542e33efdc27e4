// The seam to a source of readiness: what a scheduler asks of it. The netpoller (netio/) is the epoll form; a scheduler
// without one has nobody who waits for file descriptors.
//
// One thread at a time may look for events: it holds the claim. An idle processor that holds it sleeps in the poller
// instead of on its futex; a busy one looks without sleeping now and then, and the monitor does when all compute.
// Looking and delivering are two steps, because a processor that slept must leave the idle set between them: else the
// deadlock check could see a sleeping scheduler, and a task that is neither waiting nor ready.
//
// Pollers are pooled and never freed: a waker may still interrupt one when its scheduler has stopped.
#pragma once

#include "sched/base/atomic.h"
#include "sched/base/parker.h"
#include "sched/base/relaxed.h"

#include <cstdint>

namespace csp::inline v0::detail {

class processor;

class CSP_API poller : public sleep_place {
 public:
  // sleep_until(): looks for events, sleeping until there are some. By the holder of the claim, as the next two.

  /// Looks for events without sleeping.
  virtual void look() noexcept = 0;

  /// Makes ready who waited for the events that were found; the count of events. `here`: the calling thread's
  /// processor, null in another thread.
  virtual std::uint32_t deliver(processor* here) noexcept = 0;

  /// True when a task or thread waits for an event. Exact when nothing else runs. Any thread.
  [[nodiscard]] virtual bool anybody_waits() noexcept = 0;

  /// The scheduler has stopped: gives up what it watches and wakes the plain threads that wait.
  virtual void shut() noexcept = 0;

  /// False while nothing is watched: then nobody needs to look. Any thread.
  [[nodiscard]] bool in_use() const noexcept { return watched_.load(std::memory_order_relaxed) != 0; }

  /// Takes the claim if nobody has it.
  [[nodiscard]] bool try_claim() noexcept {
    // [PO1] acquire: pairs with [PO2]; the events' buffer goes from hand to hand.
    return !claimed_.load(std::memory_order_relaxed) && !claimed_.exchange(true, std::memory_order_acquire);
  }
  void release_claim(nanos now) noexcept {
    last_look_.set(now);
    // [PO2] release: pairs with [PO1].
    claimed_.store(false, std::memory_order_release);
  }
  /// True while somebody sleeps in it, or looks. Any thread; a glance.
  [[nodiscard]] bool is_claimed() const noexcept { return claimed_.load(std::memory_order_relaxed); }
  /// When somebody looked last. Any thread; a glance.
  [[nodiscard]] nanos last_look() const noexcept { return last_look_.get(); }

  /// One round for a thread that does not sleep: looks and delivers, if nobody else does; the count of events.
  std::uint32_t poll(processor* here, nanos now) noexcept {
    if (!try_claim()) {
      return 0;
    }
    // seq_cst: the deadlock check sees this, or what was made ready; a processor that polls is not idle in its eyes.
    outsider_.store(here == nullptr, std::memory_order_seq_cst);
    look();
    const std::uint32_t woken = deliver(here);
    outsider_.store(false, std::memory_order_seq_cst);
    release_claim(now);
    return woken;
  }
  /// True while a thread that is no processor makes tasks ready. Any thread.
  [[nodiscard]] bool outsider_delivers() const noexcept { return outsider_.load(std::memory_order_seq_cst); }

 protected:
  atomic<std::uint32_t> watched_{0};  // how many file descriptors are registered

 private:
  atomic<bool> claimed_{false};
  atomic<bool> outsider_{false};
  relaxed<nanos> last_look_;
};

}  // namespace csp::inline v0::detail
