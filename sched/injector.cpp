#include "sched/injector.h"

// The queue uses fences, which ThreadSanitizer does not follow; what passes through is published by its own edge.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#pragma GCC diagnostic ignored "-Wtsan"
#include <concurrentqueue/concurrentqueue.h>

#include "sched/base/sanitizer.h"

#include <new>

namespace csp::inline v0::detail {

struct injector::queue {
  moodycamel::ConcurrentQueue<task*> items;
};

injector::injector() : queue_(std::make_unique<queue>()) {}
injector::~injector() = default;

void injector::push(task& item) {
  // [IN1] seq_cst: counted before it is in; the fence of the submitter's notify follows.
  count_.fetch_add(1, std::memory_order_seq_cst);
  sanitizer::publish(this);
  bool pushed = false;
  {
    const sanitizer::unseen fences;
    pushed = queue_->items.enqueue(&item);
  }
  if (!pushed) {
    count_.fetch_sub(1, std::memory_order_seq_cst);
    throw std::bad_alloc();
  }
}

std::uint32_t injector::pop(task** items, std::uint32_t limit) noexcept {
  if (size() == 0) {
    return 0;
  }
  std::uint32_t taken = 0;
  {
    const sanitizer::unseen fences;
    taken = static_cast<std::uint32_t>(queue_->items.try_dequeue_bulk(items, limit));
  }
  sanitizer::observe(this);
  if (taken != 0) {
    count_.fetch_sub(taken, std::memory_order_seq_cst);
  }
  return taken;
}

}  // namespace csp::inline v0::detail
