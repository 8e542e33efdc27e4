// From callbacks to channels: a library calls back, a task waits.
//
//   csp::one_shot<int> answer;
//   library.ask("question", [done = answer.callback()](int value) { static_cast<void>(done(value)); });
//   if (std::optional<int> value = answer.wait()) ...           // nothing: the library dropped the callback
//
//   csp::callback_channel<event> events(100);
//   library.on_event([notify = events.callback()](event e) {
//     if (notify(std::move(e)) == csp::op_status::would_block) ...  // no room: the callback sees it and decides
//   });
//   for (event& e : events.receiver()) ...
//
// Two halves. The waiting half is made by whoever waits, and stays there. The callback half is a csp::callback<T>: it
// is copyable, so that it fits into a std::function, and for C it travels as a void*. It never waits: it may be called
// from any thread, and by a task below whose frames a foreign library lies.
//
// Each half sees the end of the other: when the last copy of the callback has gone, the waiting half sees the end; when
// the waiting half has gone (a timeout, a cancelled task), calls answer op_status::closed. So neither can be left with
// a dangling pointer, in whatever order they go.
#pragma once

#include <libcsp/chan.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

namespace csp::inline v0 {

namespace detail {

/// The channel between the halves. Besides its references it counts the callbacks: the last one closes it.
template <class T>
class callback_link final : public channel<typename payload_of<T>::type> {
 public:
  using payload = typename payload_of<T>::type;

  /// `once`: takes one value, and is closed then.
  callback_link(std::size_t capacity, bool once) : channel<payload>(capacity), once_(once) {}

  void add_callback() noexcept {
    this->retain();
    callbacks_.fetch_add(1, std::memory_order_relaxed);
  }
  void drop_callback() noexcept {
    // acq_rel: what all copies have sent comes before the close.
    if (callbacks_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      this->close();
    }
    this->release();
  }

  op_status call(payload& value) noexcept {
    if (!once_) {
      return this->try_send(value);
    }
    // Of several calls at once, one is the first.
    if (called_.exchange(true, std::memory_order_acq_rel)) {
      return op_status::closed;
    }
    const op_status status = this->try_send(value);
    this->close();
    return status;
  }

 private:
  ~callback_link() override = default;

  const bool once_;
  std::atomic<bool> called_{false};
  std::atomic<std::size_t> callbacks_{0};
};

}  // namespace detail

/// The half that a library calls. A counted handle; default-constructed or moved from, it stands for nothing, and calls
/// answer op_status::closed. Calls may be made by any number of tasks and plain threads at once, not by signal
/// handlers.
template <class T>
class callback {
 public:
  /// What a call passes; for void, nothing.
  using payload = typename detail::payload_of<T>::type;

  callback() noexcept = default;
  callback(const callback& other) noexcept : callback(other.link_) {}
  callback(callback&& other) noexcept : link_(std::exchange(other.link_, nullptr)) {}
  callback& operator=(callback other) noexcept {
    std::swap(link_, other.link_);
    return *this;
  }
  ~callback() {
    if (link_ != nullptr) {
      link_->drop_callback();
    }
  }

  /// Passes a value on. `ok`: it will be received unless the waiting half goes first. `would_block`: there is no room
  /// (a callback_channel only). `closed`: nobody waits any more, or a one_shot has been called already. `value` is
  /// moved from only when the answer is `ok`. Does not wait, allocate or throw.
  op_status operator()(payload&& value) const noexcept requires(!std::is_void_v<T>) { return pass(value); }
  /// The same with a copy; throws what making it throws.
  op_status operator()(const payload& value) const
      requires(!std::is_void_v<T> && std::is_copy_constructible_v<payload>) {
    payload copy(value);
    return pass(copy);
  }
  op_status operator()() const noexcept requires std::is_void_v<T> {
    payload signal;
    return pass(signal);
  }

  /// True when calls are of no use any more; a glance.
  [[nodiscard]] bool is_closed() const noexcept { return link_ == nullptr || link_->is_closed(); }
  /// Ends what the waiting half receives, after what was passed already, although copies are left.
  void close() const noexcept {
    if (link_ != nullptr) {
      link_->close();
    }
  }

  /// For the context pointer of a C function: gives this handle's reference away. It must come back by adopt() once, or
  /// the waiting half never sees the end. Null for a handle that stands for nothing.
  [[nodiscard]] void* release() noexcept { return std::exchange(link_, nullptr); }
  /// Takes the reference back: in the last call, or when the library is told to forget.
  [[nodiscard]] static callback adopt(void* context) noexcept {
    callback result;
    result.link_ = static_cast<detail::callback_link<T>*>(context);
    return result;
  }
  /// Another handle of the same, for a call that is not the last; the reference stays in the context.
  [[nodiscard]] static callback borrow(void* context) noexcept {
    return callback(static_cast<detail::callback_link<T>*>(context));
  }

  /// For the library.
  explicit callback(detail::callback_link<T>* link) noexcept : link_(link) {
    if (link_ != nullptr) {
      link_->add_callback();
    }
  }

 private:
  op_status pass(payload& value) const noexcept { return link_ != nullptr ? link_->call(value) : op_status::closed; }

  detail::callback_link<T>* link_ = nullptr;
};

namespace detail {

/// What both waiting halves have in common: they own the link's receiving side.
template <class T>
class callback_waiter {
 public:
  callback_waiter(callback_waiter&&) noexcept = default;
  callback_waiter& operator=(callback_waiter&&) = delete;

  /// A callback for the library. More may be made; one that is made when all others have gone is closed.
  [[nodiscard]] csp::callback<T> callback() const noexcept {
    return csp::callback<T>(static_cast<callback_link<T>*>(receiver_.pointer().get()));
  }

  /// The channel, for csp::select and loops. It may be copied and outlive this object, but is closed with it.
  [[nodiscard]] const csp::receiver<T>& receiver() const noexcept { return receiver_; }

 protected:
  callback_waiter(std::size_t capacity, bool once) : receiver_(pointer_type(new callback_link<T>(capacity, once))) {}
  /// From now on calls answer `closed`.
  ~callback_waiter() {
    if (receiver_) {
      receiver_.pointer()->close();
    }
  }

 private:
  using pointer_type = channel_pointer<channel<typename payload_of<T>::type>>;

  csp::receiver<T> receiver_;
};

}  // namespace detail

/// Waits for a callback that is called once: of several calls the first counts, the others answer op_status::closed.
/// Allocates when it is made, and never later. Movable; a moved-from one is of no use. Any task or thread.
/// \throws std::bad_alloc
template <class T>
class one_shot : public detail::callback_waiter<T> {
 public:
  one_shot() : detail::callback_waiter<T>(1, true) {}

  /// Waits for the call: a std::optional of its value, for void a bool. Empty or false when none will come, for the
  /// callback has gone, or the value was taken before. A cancellation point.
  [[nodiscard]] auto wait() const { return this->receiver().recv(); }

  /// The same within `limit`, or until `deadline` (steady clock): a recv_result<T>, for void an op_status: ok, timeout,
  /// closed (none will come) or canceled. After a timeout one may wait again.
  template <class Rep, class Period>
  auto wait_for(std::chrono::duration<Rep, Period> limit) const {
    return this->receiver().recv_for(limit);
  }
  auto wait_until(std::chrono::steady_clock::time_point deadline) const {
    return this->receiver().recv_until(deadline);
  }
};

/// Receives what a callback passes, call by call, with room for `capacity` values that nobody has received yet; with
/// none, a call succeeds only while somebody waits. Otherwise as one_shot. For loops and select there is receiver().
/// \throws std::bad_alloc
template <class T>
class callback_channel : public detail::callback_waiter<T> {
 public:
  explicit callback_channel(std::size_t capacity) : detail::callback_waiter<T>(capacity, false) {}

  /// The next value (for void true); nothing (false) when all callbacks have gone and what they passed was received. A
  /// cancellation point.
  [[nodiscard]] auto recv() const { return this->receiver().recv(); }
};

}  // namespace csp::inline v0
