// The typed side of spawning: where callable and result lie in a cell, and the functions that run and destroy them.
//
// Detached: the payload is the callable. Joinable: a join_state, the callable and the result. What is larger than a
// cell's payload goes to the heap behind a pointer.
#pragma once

#include "sched/join_state.h"
#include "sched/scheduler_core.h"
#include "sched/task_entry.h"

#include <concepts>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

namespace csp::inline v0::detail {

template <class Object>
inline constexpr bool fits_in_cell = sizeof(Object) <= payload_size && alignof(Object) <= 16;

/// Gives an allocated task back unless it was submitted. `Wish`: spawn_options, or of a task that asks for nothing the
/// source_location.
class allocated_task {
 public:
  template <class Wish>
  allocated_task(scheduler_core& core, const Wish& wish) : core_(core), task_(&core.allocate(wish)) {}
  ~allocated_task() {
    if (task_ != nullptr) {
      core_.abandon(*task_);
    }
  }
  allocated_task(const allocated_task&) = delete;
  allocated_task& operator=(const allocated_task&) = delete;

  [[nodiscard]] task& get() const noexcept { return *task_; }
  void submitted() noexcept { task_ = nullptr; }

 private:
  scheduler_core& core_;
  task* task_;
};

// --- detached
// ---------------------------------------------------------------------------------------------------------

template <class Callable>
struct detached_payload {
  template <class F>
  explicit detached_payload(F&& fn) : callable(std::forward<F>(fn)) {}
  Callable callable;
  void operator()() { static_cast<void>(callable()); }
};

template <class Callable>
struct boxed_payload {
  template <class F>
  explicit boxed_payload(F&& fn) : callable(std::make_unique<Callable>(std::forward<F>(fn))) {}
  std::unique_ptr<Callable> callable;
  void operator()() { static_cast<void>((*callable)()); }
};

template <class Payload>
inline constexpr task_operations detached_operations = {
    [](void* memory) { (*static_cast<Payload*>(memory))(); },
    std::is_trivially_destructible_v<Payload>
        ? nullptr
        : +[](void* memory) noexcept { std::destroy_at(static_cast<Payload*>(memory)); },
    nullptr,
};

template <class Wish = spawn_options, class F>
void spawn_detached(scheduler_core& core, const Wish& wish, F&& fn) {
  using callable = std::decay_t<F>;
  static_assert(std::invocable<callable&>, "a task's function is called without arguments");
  using payload =
      std::conditional_t<fits_in_cell<detached_payload<callable>>, detached_payload<callable>, boxed_payload<callable>>;
  allocated_task fresh(core, wish);
  auto* const built = ::new (fresh.get().payload()) payload(std::forward<F>(fn));
  fresh.get().operations = &detached_operations<payload>;
  try {
    core.submit(fresh.get());
  } catch (...) {
    built->~payload();
    throw;
  }
  fresh.submitted();
}

// --- joinable
// ---------------------------------------------------------------------------------------------------------

/// What a joinable task returns, kept: a value, a reference as a pointer, or nothing.
template <class R>
struct stored_result {
  std::optional<R> value;
  template <class F>
  void fill(F& fn) {
    value.emplace(fn());
  }
  R take() { return std::move(*value); }
};
template <class R>
struct stored_result<R&> {
  R* value = nullptr;
  template <class F>
  void fill(F& fn) {
    value = &fn();
  }
  R& take() { return *value; }
};
template <>
struct stored_result<void> {
  template <class F>
  void fill(F& fn) {
    fn();
  }
  void take() {}
};

template <class R>
struct result_payload {
  join_state state;
  stored_result<R>* result = nullptr;  // in the derived object
};

template <class Callable, class R>
struct joinable_payload : result_payload<R> {
  struct content {
    template <class F>
    explicit content(F&& fn) : callable(std::in_place, std::forward<F>(fn)) {}
    std::optional<Callable> callable;
    stored_result<R> result;
  };
  // A content that does not fit next to the join_state lies on the heap.
  static constexpr bool boxed = sizeof(result_payload<R>) + sizeof(content) + alignof(content) > payload_size ||
                                alignof(content) > 16;

  template <class F>
  explicit joinable_payload(F&& fn) : inner(make(std::forward<F>(fn))) {
    this->result = &get().result;
  }
  [[nodiscard]] content& get() noexcept {
    if constexpr (boxed) {
      return *inner;
    } else {
      return inner;
    }
  }

  std::conditional_t<boxed, std::unique_ptr<content>, content> inner;

 private:
  template <class F>
  static auto make(F&& fn) {
    if constexpr (boxed) {
      return std::make_unique<content>(std::forward<F>(fn));
    } else {
      return content(std::forward<F>(fn));
    }
  }
};

// The cell outlives callable and result; the join_state is never destroyed, others may still look at its events.
template <class Payload>
inline constexpr task_operations joinable_operations = {
    [](void* memory) {
      auto& content = static_cast<Payload*>(memory)->get();
      content.result.fill(*content.callable);
    },
    [](void* memory) noexcept { static_cast<Payload*>(memory)->get().callable.reset(); },
    [](void* memory) noexcept {
      auto* const payload = static_cast<Payload*>(memory);
      using inner_type = decltype(payload->inner);
      payload->inner.~inner_type();
      payload->state.error = nullptr;
    },
};

/// Waits for the end of a joinable task. Throws canceled when the caller is cancelled, std::logic_error on itself.
CSP_API void await_end(task& target);

/// The value of an ended task, or its exception rethrown.
template <class R>
R take_result(task& ended) {
  auto& payload = *static_cast<result_payload<R>*>(ended.payload());
  if (payload.state.error != nullptr) {
    std::rethrow_exception(std::exchange(payload.state.error, nullptr));
  }
  return payload.result->take();
}

template <template <class> class Handle, class Wish = spawn_options, class F>
auto spawn_joinable(scheduler_core& core, const Wish& wish, F&& fn) {
  using callable = std::decay_t<F>;
  static_assert(std::invocable<callable&>, "a task's function is called without arguments");
  using result = std::invoke_result_t<callable&>;
  using payload = joinable_payload<callable, result>;
  static_assert(fits_in_cell<payload>);
  allocated_task fresh(core, wish);
  task& target = fresh.get();
  auto* const built = ::new (target.payload()) payload(std::forward<F>(fn));
  target.operations = &joinable_operations<payload>;
  const std::uint32_t generation = target.generation.get();
  try {
    core.submit(target);
  } catch (...) {
    built->~payload();
    throw;
  }
  fresh.submitted();
  return Handle<result>(target, generation);
}

}  // namespace csp::inline v0::detail
