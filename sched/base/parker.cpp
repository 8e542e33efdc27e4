#include "sched/base/parker.h"

#include "sched/base/futex.h"

namespace csp::inline v0::detail {

bool futex_parker::park_until(nanos deadline) noexcept {
  std::uint32_t expected = empty;
  // [P1] acquire on both outcomes: pairs with [P2]; what the waker wrote before unpark() is visible.
  if (state_.compare_exchange_strong(expected, sleeping, std::memory_order_acquire, std::memory_order_acquire)) {
    while (state_.load(std::memory_order_acquire) == sleeping) {
      if (!futex_wait_until(state_, sleeping, deadline)) {
        break;
      }
    }
  }
  // [P1] acquire: as above. A token that came with the deadline counts as an unpark.
  return state_.exchange(empty, std::memory_order_acquire) == notified;
}

bool futex_parker::park_in(sleep_place& place, nanos deadline) noexcept {
  place_.set(&place);
  std::uint32_t expected = empty;
  // [P3] release: publishes the place to [P2]. acquire: as [P1].
  if (state_.compare_exchange_strong(expected, elsewhere, std::memory_order_acq_rel, std::memory_order_acquire)) {
    place.sleep_until(deadline);
  }
  // [P1] acquire: as above.
  return state_.exchange(empty, std::memory_order_acquire) == notified;
}

void futex_parker::unpark() noexcept {
  // [P2] release: pairs with [P1]. acquire: pairs with [P3].
  const std::uint32_t before = state_.exchange(notified, std::memory_order_acq_rel);
  if (before == sleeping) {
    futex_wake(&state_, 1);
  } else if (before == elsewhere) {
    place_.get()->interrupt();
  }
}

}  // namespace csp::inline v0::detail
