#include "netio/readiness.h"

namespace csp::inline v0::detail {

void readiness::signal() noexcept {
  channel_pointer<watch_channel> watchers;
  lock_.lock();
  // [RD2] release: pairs with [RD1]; what the poller has seen is before the next try.
  edges_.store(edges_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  wait_node* const first = waiting_.pop_winner();
  watchers = watchers_;
  lock_.unlock();
  if (first != nullptr) {
    make_ready(*first->owner);
  }
  if (watchers) {
    notify(*watchers.get());
  }
}

void readiness::nudge() noexcept {
  winner_list woken;
  lock_.lock();
  edges_.store(edges_.load(std::memory_order_relaxed) + 1, std::memory_order_release);  // [RD2]
  woken.take_all(waiting_);
  lock_.unlock();
  woken.make_ready();
}

void readiness::wake_next() noexcept {
  lock_.lock();
  wait_node* const next = waiting_.pop_winner();
  lock_.unlock();
  if (next != nullptr) {
    make_ready(*next->owner);
  }
}

void readiness::notify(watch_channel& watchers) noexcept {
  io_signal signal;
  while (watchers.try_send(signal) == op_status::ok) {
  }
}

void readiness::evict(bool closed) noexcept {
  channel_pointer<watch_channel> watchers;
  winner_list woken;
  lock_.lock();
  edges_.store(edges_.load(std::memory_order_relaxed) + 1, std::memory_order_release);  // [RD2]
  while (wait_node* const node = woken.take_one(waiting_)) {
    node->closed = closed;
  }
  watchers = std::move(watchers_);
  watchers_ = {};
  lock_.unlock();
  woken.make_ready();
  if (watchers) {
    watchers->close();
  }
}

channel_pointer<watch_channel> readiness::watch() {
  channel_pointer<watch_channel> fresh(new watch_channel(1));
  const spinlock_guard guard(lock_);
  if (!watchers_) {
    watchers_ = fresh;
  }
  return watchers_;
}

bool readiness::anybody_waits() noexcept {
  if (!waiting_.empty()) {
    return true;
  }
  channel_pointer<watch_channel> watchers;
  {
    const spinlock_guard guard(lock_);
    watchers = watchers_;
  }
  return watchers && !watchers->receivers.empty();
}

}  // namespace csp::inline v0::detail
