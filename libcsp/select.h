// Select: of several channel operations, exactly one is done, the first that can be (The Go Programming Language
// Specification, "Select statements"). Among arms that are ready, each has the same chance.
//
//   csp::select(csp::on_recv(requests, [](std::optional<request> r) { ... }),
//               csp::on_send(answers, std::move(answer), [] { ... }),
//               csp::on_timeout(10ms, [] { ... }));
//
// Handlers run after the select has finished, in the caller; they may block, throw, or select again. A blocked select
// uses no CPU and leaves nothing behind in the channels that lost.
#pragma once

#include <libcsp/select_arms.h>

#include "channel/select_engine.h"
#include "sched/deadline.h"

#include <array>
#include <chrono>
#include <concepts>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace csp::inline v0 {

namespace detail {

/// What an arm would do; nothing if it is switched off.
template <class Arm>
[[nodiscard]] CSP_ALWAYS_INLINE select_operation operation_of(Arm& arm) noexcept {
  return arm.enabled ? arm.operation() : select_operation{};
}

/// Finishes the arm that was chosen; false when it was chosen for nothing. `closed`: its channel was.
template <class Arm>
CSP_ALWAYS_INLINE bool finish_arm(Arm& arm, bool closed) {
  if constexpr (Arm::unsure) {
    if (!arm.confirm()) {
      return false;
    }
  }
  arm.finish(closed);
  return true;
}

/// The same for one of several.
template <class First, class... Others>
requires(sizeof...(Others) != 0 && (std::is_same_v<First, Others> && ...)) CSP_ALWAYS_INLINE
    bool finish_one_of(std::size_t chosen, bool closed, First& first, Others&... others) {
  // Of one type, they are reached without a branch: no branch could foretell which one it is.
  const std::array<First*, 1 + sizeof...(Others)> all{std::addressof(first), std::addressof(others)...};
  return finish_arm(*all[chosen], closed);
}
template <class... Arms>
CSP_ALWAYS_INLINE bool finish_one_of(std::size_t chosen, bool closed, Arms&... arms) {
  std::size_t at = 0;
  bool finished = true;
  [[maybe_unused]] const auto finish = [&](auto& arm) {
    if (at++ == chosen) {
      finished = finish_arm(arm, closed);
    }
  };
  (finish(arms), ...);
  return finished;
}

/// Deadline and default of a set of arms, gathered while they are renewed.
struct select_plan {
  select_limit limit;
  int timeout_index = -1;
  int otherwise_index = -1;

  template <class Arm>
  CSP_ALWAYS_INLINE void add(Arm& arm, int index) {
    if (!arm.enabled) {
      return;
    }
    arm.renew();
    if constexpr (is_timeout<Arm>) {
      if (timeout_index < 0 || arm.limit.deadline < limit.deadline) {
        limit = arm.limit;
        timeout_index = index;
      }
    } else if constexpr (is_otherwise<Arm>) {
      otherwise_index = index;
    }
  }
  [[nodiscard]] bool may_wait() const noexcept { return otherwise_index < 0; }
  /// The index of the arm that is to finish, by what the engine said.
  [[nodiscard]] CSP_ALWAYS_INLINE int chosen_by(int outcome) const noexcept {
    if (outcome >= 0) [[likely]] {
      return outcome;
    }
    const int index = outcome == select_would_block ? otherwise_index : timeout_index;
    if (index < 0) {
      __builtin_unreachable();  // the engine gives up only for such an arm; without this gcc warns of the position -1
    }
    return index;
  }
};

/// Waits with arms of which none was ready, and comes to one of them.
template <class... Arms>
CSP_ALWAYS_INLINE int wait_at_arms(const select_plan& plan, bool& closed, Arms&... arms) {
  constexpr std::size_t count = sizeof...(Arms);
  std::array<spinlock*, count> locks;
  std::array<select_arm, count> slots;
  std::size_t next = 0;
  [[maybe_unused]] const auto prepare = [&](auto& arm) {
    static_cast<select_operation&>(slots[next++]) = operation_of(arm);
  };
  (prepare(arms), ...);
  const int outcome = wait_select(slots, locks, plan.limit, plan.may_wait());
  closed = outcome >= 0 && slots[static_cast<std::size_t>(outcome)].closed;
  return plan.chosen_by(outcome);
}

}  // namespace detail

/// An arm that receives from `source` (a chan or receiver; a nil one is never ready). `handler` gets a
/// std::optional<T>, empty when the channel is closed and drained; for a channel of void a bool. A handle given as an
/// lvalue must outlive the arm, unless the arm goes into a select_list.
template <detail::receiving_handle Handle, class Handler = detail::no_handler>
[[nodiscard]] auto on_recv(Handle&& source, Handler handler = {}) {
  using target = detail::target_of<Handle>;
  return detail::receive_arm<detail::value_of<Handle>, target, Handler>(target(source.pointer()), std::move(handler));
}

/// An arm that sends to `target` (a chan or sender; a nil one is never ready). An lvalue is copied into the arm at
/// once. An rvalue stays the caller's: it must live until the select has finished, and is moved from only if this arm
/// wins. If the channel is closed when this arm's turn comes, select throws closed_channel. The handle as for on_recv.
template <detail::sending_handle Handle, class Handler = detail::no_handler>
requires(!detail::signalling_handle<Handle>)
    [[nodiscard]] auto on_send(Handle&& target, detail::payload_in<Handle>&& value, Handler handler = {}) {
  using channel = detail::target_of<Handle>;
  return detail::send_arm<channel, detail::value_of<Handle>&, Handler>(channel(target.pointer()), value,
                                                                       std::move(handler));
}
template <detail::sending_handle Handle, class Handler = detail::no_handler>
requires(!detail::signalling_handle<Handle>)
    [[nodiscard]] auto on_send(Handle&& target, const detail::payload_in<Handle>& value, Handler handler = {}) {
  using channel = detail::target_of<Handle>;
  return detail::send_arm<channel, detail::value_of<Handle>, Handler>(channel(target.pointer()), value,
                                                                      std::move(handler));
}
/// The same for a channel of void.
template <detail::signalling_handle Handle, class Handler = detail::no_handler>
[[nodiscard]] auto on_send(Handle&& target, Handler handler = {}) {
  using channel = detail::target_of<Handle>;
  return detail::send_arm<channel, detail::signal_value, Handler>(channel(target.pointer()), detail::signal_value{},
                                                                  std::move(handler));
}

/// An arm that is chosen when no other was until `deadline` (steady clock), or for the length of `limit`, which counts
/// from here and may be rounded up (time.h).
template <class Handler = detail::no_handler>
[[nodiscard]] auto on_timeout(std::chrono::steady_clock::time_point deadline, Handler handler = {}) {
  return detail::timeout_arm<Handler>{{}, {detail::to_nanos(deadline), false}, std::move(handler)};
}
template <class Rep, class Period, class Handler = detail::no_handler>
[[nodiscard]] auto on_timeout(std::chrono::duration<Rep, Period> limit, Handler handler = {}) {
  return detail::timeout_arm<Handler>{{}, {detail::limit_after(limit), limit > limit.zero()}, std::move(handler)};
}

/// An arm that is chosen when no other is ready: the select does not block. Go's default.
template <class Handler = detail::no_handler>
[[nodiscard]] auto otherwise(Handler handler = {}) {
  return detail::otherwise_arm<Handler>{{}, std::move(handler)};
}

/// The arm, if `condition` holds; else an arm that is never chosen.
template <class Arm>
requires std::derived_from<std::remove_cvref_t<Arm>, detail::arm_base>
[[nodiscard]] auto when(bool condition, Arm arm) {
  arm.enabled = condition;
  return arm;
}

/// Does exactly one of the arms, which are 64 at the most, and then calls its handler. Returns the position of that arm
/// in the argument list.
/// Without a ready arm it blocks; without any arm that could become ready, for ever. A cancellation point.
/// \throws closed_channel when a send arm met a closed channel; canceled; what the handler throws
/// No operation is done when it throws before a handler ran. Does not allocate. Any task or thread.
template <class... Arms>
requires(std::derived_from<std::remove_cvref_t<Arms>, detail::arm_base>&&...) CSP_ALWAYS_INLINE
    int select(Arms&&... arms) {
  static_assert(sizeof...(Arms) <= detail::most_arms_at_once, "more arms than this are for a csp::select_list");
  for (;;) {
    detail::select_plan plan;
    int next = 0;
    (plan.add(arms, next++), ...);
    bool closed = false;
    using kind = typename detail::common_kind<detail::kind_of<std::remove_cvref_t<Arms>>...>::type;
    const typename kind::template set<std::remove_cvref_t<Arms>::way...> operations{
        {detail::apart(detail::operation_of(arms).target)...}, {detail::operation_of(arms).value...}};
    int chosen = detail::try_patiently(
        sizeof...(Arms), plan.may_wait(), [&]() __attribute__((always_inline)) {
          return detail::try_operations(operations, plan.may_wait(), closed);
        });
    if (chosen == detail::select_must_wait) {
      chosen = detail::wait_at_arms(plan, closed, arms...);
    }
    if (detail::finish_one_of(static_cast<std::size_t>(chosen), closed, arms...)) {
      return chosen;
    }
  }
}

/// A select whose arms are known at run time only. Not thread-safe itself; may be run again and again.
class select_list {
 public:
  /// Appends an arm. \throws std::bad_alloc
  template <class Arm>
  requires std::derived_from<std::remove_cvref_t<Arm>, detail::arm_base> select_list& add(Arm&& arm) {
    arms_.push_back(std::make_unique<held_arm<std::remove_cvref_t<Arm>>>(std::forward<Arm>(arm)));
    return *this;
  }
  [[nodiscard]] std::size_t size() const noexcept { return arms_.size(); }
  void clear() noexcept { arms_.clear(); }

  /// As csp::select; returns the position of the arm in the order of add(). \throws std::bad_alloc too, before it waits
  int run() {
    std::vector<detail::spinlock*> locks(arms_.size());
    for (;;) {
      std::vector<detail::select_arm> slots(arms_.size());
      detail::select_plan plan;
      for (std::size_t i = 0; i < arms_.size(); ++i) {
        static_cast<detail::select_operation&>(slots[i]) = arms_[i]->prepare(plan, static_cast<int>(i));
      }
      const int chosen = plan.chosen_by(detail::run_select(slots, locks, plan.limit, plan.may_wait()));
      const auto at = static_cast<std::size_t>(chosen);
      if (arms_[at]->finish(slots[at].closed)) {
        return chosen;
      }
    }
  }

 private:
  struct any_arm {
    virtual ~any_arm() = default;
    virtual detail::select_operation prepare(detail::select_plan& plan, int index) = 0;
    virtual bool finish(bool closed) = 0;
  };
  template <class Arm>
  struct held_arm final : any_arm {
    explicit held_arm(Arm arm) : held(std::move(arm)), kept(held.keep()) {}
    detail::select_operation prepare(detail::select_plan& plan, int index) override {
      plan.add(held, index);
      return detail::operation_of(held);
    }
    bool finish(bool closed) override { return detail::finish_arm(held, closed); }
    Arm held;
    [[no_unique_address]] decltype(std::declval<Arm&>().keep()) kept;
  };

  std::vector<std::unique_ptr<any_arm>> arms_;
};

}  // namespace csp::inline v0
