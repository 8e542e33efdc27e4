// The channel engine: a bounded FIFO of values, or none, and two queues of waiters, under one spinlock. After Go's
// runtime/chan.go.
//
// Invariants (lock held)
// - A receiver waits only while the buffer is empty and no sender waits; a sender waits only while the buffer is full
//   and no receiver waits. So a value goes straight from a sender to a waiting receiver, or through the buffer.
// - After close() nobody waits. What was in the buffer is still received, in order.
// - Only this file touches ring indices.
//
// A value that goes from hand to hand is moved after the lock was released, by the party that won the wait; a value
// that goes through the buffer is moved under the lock. Hence the move of T must not throw, and must not use libcsp.
#pragma once

#include "sched/base/atomic.h"
#include "sched/base/clock.h"
#include "sched/base/spinlock.h"
#include "sched/base/tls.h"
#include "sched/contention.h"
#include "sched/park.h"
#include "sched/wait_queue.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

namespace csp::inline v0 {

/// How an operation with a limit came out. `timeout`: the time was over first; `would_block`: it could not be done at
/// once; `canceled`: the calling task was asked to end.
enum class [[nodiscard]] op_status{ok, closed, timeout, would_block, canceled};

namespace detail {

/// The part of a channel that does not depend on its type; what select works on.
class CSP_API channel_base {
 public:
  enum class attempt : std::uint8_t { done, closed, must_wait };

  /// What an attempt leaves to do after the unlock.
  struct handoff {
    wait_node* partner = nullptr;  // whose wait was won; must be made ready
    bool value_pending = false;    // and the value has yet to move between us
  };

  explicit channel_base(std::size_t capacity) : capacity_(checked(capacity)) {}
  channel_base(const channel_base&) = delete;
  channel_base& operator=(const channel_base&) = delete;

  // Typed steps for select. `value`: a T* to send, a std::optional<T>* to receive into.
  virtual attempt attempt_send(void* value, handoff& result) noexcept = 0;     // lock held
  virtual attempt attempt_receive(void* value, handoff& result) noexcept = 0;  // lock held
  virtual void move_to(wait_node& receiver, void* value) noexcept = 0;
  virtual void move_from(wait_node& sender, void* value) noexcept = 0;

  /// Closes; false when it was closed before. Everybody who waits is woken.
  bool close() noexcept;

  [[nodiscard]] bool is_closed() const noexcept { return closed_.get() != 0; }
  [[nodiscard]] std::size_t size() const noexcept { return count_.get(); }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

  /// A glance without the lock: would an attempt get anywhere? All in one word, without branches: which of a select's
  /// channels are ready cannot be foretold.
  [[nodiscard]] CSP_ALWAYS_INLINE bool may_send() const noexcept {
    const std::uintptr_t room = count_.get() < capacity_ ? 1 : 0;
    return (reinterpret_cast<std::uintptr_t>(receivers.first_place()) | room | closed_.get()) != 0;
  }
  [[nodiscard]] CSP_ALWAYS_INLINE bool may_receive() const noexcept {
    const std::uintptr_t values = count_.get();
    return (reinterpret_cast<std::uintptr_t>(senders.first_place()) | values | closed_.get()) != 0;
  }

  void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    // acq_rel: the last owner sees what all others did with the channel.
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      delete this;
    }
  }

  /// More values than this no channel holds: two indices of the ring can be added in their type.
  static constexpr std::size_t most_values = std::size_t{1} << 31;

 private:
  atomic<std::uint32_t> references_{1};

 protected:
  std::uint32_t first_ = 0;  // ring index of the oldest; guarded by lock

 public:
  // From here on what every operation reads, buffer or not, close together: where thousands of channels take turns they
  // leave the caches, and each line more is waited for. So the flag lies in the lock's padding, and counts are short.
  [[no_unique_address]] spinlock lock{lock_rank::channel};

 protected:
  relaxed<std::uint8_t> closed_;  // 1 after close(); written under lock
  relaxed<std::uint32_t> count_;  // values in the buffer; written under lock
  const std::uint32_t capacity_;

 public:
  wait_queue receivers;  // guarded by lock
  wait_queue senders;    // guarded by lock

 protected:
  virtual ~channel_base() = default;

  /// Waits in one of the queues until `deadline`; the lock is held and is released. `slot`: as attempt_send's or
  /// attempt_receive's value. Inlined: see switch_task.h on frames below a switch.
  CSP_ALWAYS_INLINE op_status wait_in(wait_queue& queue, void* slot, wait_kind kind, nanos deadline) {
    queue_wait request{queue, lock, kind, true, slot};
    if (deadline != never) {
      return wait_in_until(request, deadline);
    }
    return status_of(wait_exclusive(request), request);
  }

 private:
  /// \throws std::length_error
  [[nodiscard]] static std::uint32_t checked(std::size_t capacity);
  op_status wait_in_until(queue_wait& request, nanos deadline);

  static op_status status_of(wake_reason reason, const queue_wait& ended) noexcept {
    return reason == wake_reason::timeout    ? op_status::timeout
           : reason == wake_reason::canceled ? op_status::canceled
           : ended.node->take_closed()       ? op_status::closed
                                             : op_status::ok;
  }
};

template <class T>
class channel : public channel_base {
  static_assert(std::is_nothrow_move_constructible_v<T>,
                "csp::chan<T>: moving a T must not throw, so that handing a value over cannot fail; mark its move "
                "constructor noexcept, or send a std::unique_ptr<T>");
  static_assert(std::is_nothrow_destructible_v<T>, "csp::chan<T>: destroying a T must not throw");

 public:
  explicit channel(std::size_t capacity)
      : channel_base(capacity), ring_(capacity != 0 ? std::allocator<T>().allocate(capacity) : nullptr) {}

  /// Sends: moves from `value` only when the answer is ok. Waits until `deadline` (never: without limit).
  CSP_ALWAYS_INLINE op_status send(T& value, nanos deadline) {
    processor* const here = this_processor();
    if (must_cancel(here)) [[unlikely]] {
      return op_status::canceled;
    }
    lock_shared(lock, here);
    handoff result;
    const attempt outcome = try_send_locked(value, result);
    if (outcome == attempt::must_wait) {
      return wait_in(senders, &value, wait_kind::send, deadline);
    }
    lock.unlock();
    return finish_send(value, outcome, result);
  }

  /// The same, or would_block.
  CSP_ALWAYS_INLINE op_status try_send(T& value) noexcept {
    scheduling_point();
    lock_signed(lock, this_processor());
    handoff result;
    const attempt outcome = try_send_locked(value, result);
    lock.unlock();
    return finish_send(value, outcome, result);
  }

  /// Receives into an empty `out`. Waits until `deadline` (never: without limit).
  CSP_ALWAYS_INLINE op_status receive(std::optional<T>& out, nanos deadline) {
    processor* const here = this_processor();
    if (must_cancel(here)) [[unlikely]] {
      return op_status::canceled;
    }
    lock_shared(lock, here);
    handoff result;
    const attempt outcome = try_receive_locked(out, result);
    if (outcome == attempt::must_wait) {
      return wait_in(receivers, &out, wait_kind::receive, deadline);
    }
    lock.unlock();
    return finish_receive(out, outcome, result);
  }

  /// The same, or would_block.
  CSP_ALWAYS_INLINE op_status try_receive(std::optional<T>& out) noexcept {
    scheduling_point();
    lock_signed(lock, this_processor());
    handoff result;
    const attempt outcome = try_receive_locked(out, result);
    lock.unlock();
    return finish_receive(out, outcome, result);
  }

  CSP_ALWAYS_INLINE attempt attempt_send(void* value, handoff& result) noexcept final {
    return try_send_locked(*static_cast<T*>(value), result);
  }
  CSP_ALWAYS_INLINE attempt attempt_receive(void* value, handoff& result) noexcept final {
    return try_receive_locked(*static_cast<std::optional<T>*>(value), result);
  }
  CSP_ALWAYS_INLINE void move_to(wait_node& receiver, void* value) noexcept final {
    static_cast<std::optional<T>*>(receiver.slot)->emplace(std::move(*static_cast<T*>(value)));
  }
  CSP_ALWAYS_INLINE void move_from(wait_node& sender, void* value) noexcept final {
    static_cast<std::optional<T>*>(value)->emplace(std::move(*static_cast<T*>(sender.slot)));
  }

 protected:
  ~channel() override {
    if (ring_ != nullptr) {
      while (count_.get() != 0) {
        static_cast<void>(take_oldest());
      }
      std::allocator<T>().deallocate(ring_, capacity_);
    }
  }

 private:
  CSP_ALWAYS_INLINE attempt try_send_locked(T& value, handoff& result) noexcept {
    if (is_closed()) [[unlikely]] {
      return attempt::closed;
    }
    if (wait_node* const receiver = receivers.pop_winner()) {
      result = {receiver, true};
      return attempt::done;
    }
    const std::uint32_t count = count_.get();
    if (count < capacity_) {
      std::uint32_t at = first_ + count;
      at = at < capacity_ ? at : at - capacity_;
      ::new (static_cast<void*>(ring_ + at)) T(std::move(value));
      count_.set(count + 1);
      return attempt::done;
    }
    return attempt::must_wait;
  }

  CSP_ALWAYS_INLINE attempt try_receive_locked(std::optional<T>& out, handoff& result) noexcept {
    if (count_.get() != 0) {
      out.emplace(take_oldest());
      // The first waiting sender's value takes the free place; its turn is before everybody who comes now.
      if (wait_node* const sender = senders.pop_winner()) {
        const std::uint32_t count = count_.get();
        std::uint32_t at = first_ + count;
        at = at < capacity_ ? at : at - capacity_;
        ::new (static_cast<void*>(ring_ + at)) T(std::move(*static_cast<T*>(sender->slot)));
        count_.set(count + 1);
        result = {sender, false};
      }
      return attempt::done;
    }
    if (wait_node* const sender = senders.pop_winner()) {
      result = {sender, true};
      return attempt::done;
    }
    return is_closed() ? attempt::closed : attempt::must_wait;
  }

  CSP_ALWAYS_INLINE op_status finish_send(T& value, attempt outcome, const handoff& result) noexcept {
    if (wait_node* const receiver = result.partner) {
      static_cast<std::optional<T>*>(receiver->slot)->emplace(std::move(value));
      make_ready(*receiver->owner);
      return op_status::ok;
    }
    return status_of(outcome);
  }

  CSP_ALWAYS_INLINE op_status finish_receive(std::optional<T>& out, attempt outcome, const handoff& result) noexcept {
    if (wait_node* const sender = result.partner) {
      if (result.value_pending) {
        out.emplace(std::move(*static_cast<T*>(sender->slot)));
      }
      make_ready(*sender->owner);
      return op_status::ok;
    }
    return status_of(outcome);
  }

  static constexpr op_status status_of(attempt outcome) noexcept {
    return outcome == attempt::done     ? op_status::ok
           : outcome == attempt::closed ? op_status::closed
                                        : op_status::would_block;
  }

  CSP_ALWAYS_INLINE T take_oldest() noexcept {
    T* const oldest = ring_ + first_;
    T value(std::move(*oldest));
    oldest->~T();
    first_ = first_ + 1 < capacity_ ? first_ + 1 : 0;
    count_.set(count_.get() - 1);
    return value;
  }

  T* const ring_;
};

/// A counted pointer to a channel: what a handle is made of. Null: a nil channel.
template <class Channel>
class channel_pointer {
 public:
  constexpr channel_pointer() noexcept = default;
  /// Takes over the reference that a new channel is born with.
  explicit channel_pointer(Channel* owned) noexcept : target_(owned) {}
  channel_pointer(const channel_pointer& other) noexcept : target_(other.target_) {
    if (target_ != nullptr) {
      target_->retain();
    }
  }
  channel_pointer(channel_pointer&& other) noexcept : target_(std::exchange(other.target_, nullptr)) {}
  channel_pointer& operator=(channel_pointer other) noexcept {
    std::swap(target_, other.target_);
    return *this;
  }
  ~channel_pointer() {
    if (target_ != nullptr) {
      target_->release();
    }
  }

  [[nodiscard]] Channel* get() const noexcept { return target_; }
  [[nodiscard]] Channel* operator->() const noexcept { return target_; }
  [[nodiscard]] explicit operator bool() const noexcept { return target_ != nullptr; }
  friend bool operator==(const channel_pointer&, const channel_pointer&) noexcept = default;

 private:
  Channel* target_ = nullptr;
};

}  // namespace detail
}  // namespace csp::inline v0
