// The arms of a select (select.h makes them): what each would do, and what it does when it was chosen.
//
// An arm holds its value, or refers to the caller's, and its handler. It is renewed before each look, so it may be used
// again.
#pragma once

#include <libcsp/chan.h>

#include "channel/select_engine.h"

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace csp::inline v0::detail {

struct no_handler {
  template <class... Values>
  void operator()(Values&&...) const noexcept {}
};

/// What select needs of an arm. Before each look it is renewed; then operation() tells what it would do, which points
/// into the arm.
struct arm_base {
  bool enabled = true;

  void renew() noexcept {}
  /// How it moves a value through its channel; none: it has no channel.
  static constexpr auto way = select_operation::direction::none;
  using channel_type = channel_base;  // what is known of that channel
  [[nodiscard]] static constexpr select_operation operation() noexcept { return {}; }
  /// What a select_list holds as long as the arm, for that not to outlive its channel.
  struct nothing {};
  [[nodiscard]] static constexpr nothing keep() noexcept { return {}; }

  /// An arm that says `unsure` is asked `confirm()` when it was done: false sends the select back to its beginning.
  static constexpr bool unsure = false;
};

/// The channel of an arm whose handle outlives it: not counted, for that would cost two atomic operations an arm.
template <class Payload>
class borrowed_target {
 public:
  using channel_type = channel<Payload>;
  using pointer = channel_pointer<channel_type>;

  explicit borrowed_target(const pointer& handle) noexcept : channel_(handle.get()) {}
  [[nodiscard]] channel<Payload>* get() const noexcept { return channel_; }
  /// A counted pointer to the same.
  [[nodiscard]] pointer keep() const noexcept {
    if (channel_ != nullptr) {
      channel_->retain();
    }
    return pointer(channel_);
  }

 private:
  channel<Payload>* channel_;
};

/// The channel of an arm that was made from a temporary handle.
template <class Payload>
class owned_target {
 public:
  using channel_type = channel<Payload>;
  using pointer = channel_pointer<channel_type>;

  explicit owned_target(pointer handle) noexcept : owner_(std::move(handle)) {}
  [[nodiscard]] channel<Payload>* get() const noexcept { return owner_.get(); }
  [[nodiscard]] pointer keep() const noexcept { return owner_; }

 private:
  pointer owner_;
};

/// What an arm may be made from, and the value type of the handle.
template <class Handle>
struct handle_traits {
  static constexpr bool sends = false;
  static constexpr bool receives = false;
};
template <class T>
struct handle_traits<chan<T>> {
  using value = T;
  static constexpr bool sends = true;
  static constexpr bool receives = true;
};
template <class T>
struct handle_traits<sender<T>> {
  using value = T;
  static constexpr bool sends = true;
  static constexpr bool receives = false;
};
template <class T>
struct handle_traits<receiver<T>> {
  using value = T;
  static constexpr bool sends = false;
  static constexpr bool receives = true;
};

template <class Handle>
using value_of = typename handle_traits<std::remove_cvref_t<Handle>>::value;
template <class Handle>
using payload_in = typename payload_of<value_of<Handle>>::type;
template <class Handle>
concept receiving_handle = handle_traits<std::remove_cvref_t<Handle>>::receives;
template <class Handle>
concept sending_handle = handle_traits<std::remove_cvref_t<Handle>>::sends;
template <class Handle>
concept signalling_handle = sending_handle<Handle> && std::is_void_v<value_of<Handle>>;

/// By whether the handle is an lvalue.
template <class Handle>
using target_of = std::conditional_t<std::is_lvalue_reference_v<Handle>, borrowed_target<payload_in<Handle>>,
                                     owned_target<payload_in<Handle>>>;

template <class T, class Target, class Handler>
struct receive_arm : arm_base {
  Target target;
  Handler handler;
  std::optional<typename payload_of<T>::type> value;

  // Not an aggregate: that would be filled with zeros first.
  receive_arm(Target channel, Handler what) : target(std::move(channel)), handler(std::move(what)) {}
  [[nodiscard]] auto keep() const noexcept { return target.keep(); }
  void renew() noexcept { value.reset(); }
  static constexpr auto way = select_operation::direction::receive;
  using channel_type = typename Target::channel_type;
  [[nodiscard]] CSP_ALWAYS_INLINE select_operation operation() noexcept { return {target.get(), &value, way}; }
  void finish(bool) {
    if constexpr (std::is_void_v<T>) {
      handler(value.has_value());
    } else {
      handler(taken(value));
    }
  }
};

/// `Held` is the payload itself (a copy was made) or a reference to the caller's rvalue.
template <class Target, class Held, class Handler>
struct send_arm : arm_base {
  Target target;
  Held held;
  Handler handler;

  template <class Value>
  send_arm(Target channel, Value&& value, Handler what)
      : target(std::move(channel)), held(std::forward<Value>(value)), handler(std::move(what)) {}
  [[nodiscard]] auto keep() const noexcept { return target.keep(); }
  static constexpr auto way = select_operation::direction::send;
  using channel_type = typename Target::channel_type;
  [[nodiscard]] CSP_ALWAYS_INLINE select_operation operation() noexcept {
    return {target.get(), std::addressof(held), way};
  }
  void finish(bool closed) {
    if (closed) {
      throw closed_channel();
    }
    handler();
  }
};

template <class Handler>
struct timeout_arm : arm_base {
  select_limit limit;
  Handler handler;
  void finish(bool) { handler(); }
};

template <class Handler>
struct otherwise_arm : arm_base {
  Handler handler;
  void finish(bool) { handler(); }
};

/// A kind of channel operations.
template <class Channel, select_operation::direction Way>
struct operation_kind {
  template <select_operation::direction... Ways>
  using set = operation_set<Channel, Way, Ways...>;
};
using no_operation = operation_kind<channel_base, select_operation::direction::none>;
using any_operation = operation_kind<channel_base, select_operation::direction::receive>;
template <class Arm>
using kind_of = std::conditional_t<Arm::way == select_operation::direction::none, no_operation,
                                   operation_kind<typename Arm::channel_type, Arm::way>>;

/// What arms have in common, apart from those without an operation: their kind if it is one, else that they are any.
template <class... Kinds>
struct common_kind {
  using type = no_operation;
};
template <class First, class... Others>
struct common_kind<First, Others...> {
  using rest = typename common_kind<Others...>::type;
  using type = std::conditional_t<std::is_same_v<First, no_operation> || std::is_same_v<First, rest>, rest,
                                  std::conditional_t<std::is_same_v<rest, no_operation>, First, any_operation>>;
};

template <class Arm>
inline constexpr bool is_timeout = false;
template <class Handler>
inline constexpr bool is_timeout<timeout_arm<Handler>> = true;
template <class Arm>
inline constexpr bool is_otherwise = false;
template <class Handler>
inline constexpr bool is_otherwise<otherwise_arm<Handler>> = true;

}  // namespace csp::inline v0::detail
