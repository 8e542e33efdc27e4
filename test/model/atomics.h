// What the shipped code gets as its atomics when a checker's program compiles it (CSP_ATOMICS_HEADER): variables that
// hand each operation, with its place in the source, to the checker. Their layout is that of std::atomic.
//
// The object itself keeps its first value; what is stored later is known to the checker alone.
#pragma once

#include "test/model/operation.h"

#include <atomic>
#include <cstring>
#include <mutex>
#include <type_traits>

// The caller's place in the source, as default arguments.
#define CSP_MODEL_SITE \
  const char *file = __builtin_FILE(), int line = __builtin_LINE(), const char *function = __builtin_FUNCTION()
#define CSP_MODEL_HERE (::model::site{file, line, function})

namespace model {

[[nodiscard]] constexpr order order_of(std::memory_order given) noexcept {
  switch (given) {
    case std::memory_order_relaxed:
      return order::relaxed;
    case std::memory_order_consume:
    case std::memory_order_acquire:
      return order::acquire;
    case std::memory_order_release:
      return order::release;
    case std::memory_order_acq_rel:
      return order::acquire_release;
    case std::memory_order_seq_cst:
      break;
  }
  return order::sequential;
}

// A scenario about the spinlock itself lets its threads sleep (CSP_MODEL_SLEEPY_LOCKS); in the others who finds a lock
// taken waits for its release. They leave out the fence of an unlock, too, which is there for the sleepers.
#if defined(CSP_MODEL_SLEEPY_LOCKS)
inline constexpr bool locks_may_sleep = true;
inline constexpr int spins = 1;
#else
inline constexpr bool locks_may_sleep = false;
inline constexpr int spins = 1000;  // each of them a wait for the lock's word to change
#endif

template <class T>
class atomic {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(std::uint64_t));

 public:
  using value_type = T;

  constexpr atomic() noexcept : atomic(T()) {}
  constexpr atomic(T value) noexcept : value_(value) {  // NOLINT(google-explicit-constructor): as std::atomic
    if (!std::is_constant_evaluated()) {
      begin_life(this);
    }
  }
  constexpr ~atomic() {
    if (!std::is_constant_evaluated()) {
      end_life(this);
    }
  }
  atomic(const atomic&) = delete;
  atomic& operator=(const atomic&) = delete;

  T load(std::memory_order given = std::memory_order_seq_cst, CSP_MODEL_SITE) const noexcept {
    operation wanted = make(action::load, given, CSP_MODEL_HERE);
    return narrow(perform(wanted, widen(value_)).value);
  }
  void store(T value, std::memory_order given = std::memory_order_seq_cst, CSP_MODEL_SITE) noexcept {
    operation wanted = make(action::store, given, CSP_MODEL_HERE);
    wanted.operand = widen(value);
    perform(wanted, widen(value_));
  }
  T exchange(T value, std::memory_order given = std::memory_order_seq_cst, CSP_MODEL_SITE) noexcept {
    return modify(modification::assign, widen(value), given, CSP_MODEL_HERE);
  }
  bool compare_exchange_strong(T& expected, T wanted_value, std::memory_order success, std::memory_order failure,
                               CSP_MODEL_SITE) noexcept {
    operation wanted = make(action::compare, success, CSP_MODEL_HERE);
    wanted.failure = order_of(failure);
    wanted.expected = widen(expected);
    wanted.operand = widen(wanted_value);
    const answer got = perform(wanted, widen(value_));
    if (!got.success) {
      expected = narrow(got.value);
    }
    return got.success;
  }
  bool compare_exchange_strong(T& expected, T wanted_value, std::memory_order given = std::memory_order_seq_cst,
                               CSP_MODEL_SITE) noexcept {
    return compare_exchange_strong(expected, wanted_value, given, without_release(given), file, line, function);
  }
  // Never fails for nothing here: that is one more turn of its loop.
  bool compare_exchange_weak(T& expected, T wanted_value, std::memory_order success, std::memory_order failure,
                             CSP_MODEL_SITE) noexcept {
    return compare_exchange_strong(expected, wanted_value, success, failure, file, line, function);
  }
  bool compare_exchange_weak(T& expected, T wanted_value, std::memory_order given = std::memory_order_seq_cst,
                             CSP_MODEL_SITE) noexcept {
    return compare_exchange_strong(expected, wanted_value, given, without_release(given), file, line, function);
  }
  T fetch_add(T value, std::memory_order given = std::memory_order_seq_cst, CSP_MODEL_SITE) noexcept {
    return modify(modification::add, widen(value), given, CSP_MODEL_HERE);
  }
  T fetch_sub(T value, std::memory_order given = std::memory_order_seq_cst, CSP_MODEL_SITE) noexcept {
    return modify(modification::subtract, widen(value), given, CSP_MODEL_HERE);
  }
  T fetch_or(T value, std::memory_order given = std::memory_order_seq_cst, CSP_MODEL_SITE) noexcept {
    return modify(modification::bit_or, widen(value), given, CSP_MODEL_HERE);
  }
  T fetch_and(T value, std::memory_order given = std::memory_order_seq_cst, CSP_MODEL_SITE) noexcept {
    return modify(modification::bit_and, widen(value), given, CSP_MODEL_HERE);
  }

 private:
  static constexpr std::memory_order without_release(std::memory_order given) noexcept {
    return given == std::memory_order_acq_rel   ? std::memory_order_acquire
           : given == std::memory_order_release ? std::memory_order_relaxed
                                                : given;
  }
  static std::uint64_t widen(const T& value) noexcept {
    std::uint64_t wide = 0;
    std::memcpy(&wide, &value, sizeof value);
    return wide;
  }
  static T narrow(std::uint64_t wide) noexcept {
    T value{};
    std::memcpy(static_cast<void*>(&value), &wide, sizeof value);  // T is trivially copyable
    return value;
  }
  operation make(action what, std::memory_order given, const site& where) const noexcept {
    operation made;
    made.what = what;
    made.address = this;
    made.success = order_of(given);
    made.size = sizeof(T);
    made.where = where;
    return made;
  }
  T modify(modification how, std::uint64_t operand, std::memory_order given, const site& where) noexcept {
    operation wanted = make(action::exchange, given, where);
    wanted.how = how;
    wanted.operand = operand;
    return narrow(perform(wanted, widen(value_)).value);
  }

  alignas(sizeof(T)) T value_;
};

/// Gives way until a variable that the thread has read has changed.
inline void give_way(const site& where) noexcept {
  operation wanted;
  wanted.what = action::yield;
  wanted.where = where;
  perform(wanted, 0);
}

inline void fence(action what, std::memory_order given, const site& where) noexcept {
  operation wanted;
  wanted.what = what;
  wanted.success = order_of(given);
  wanted.where = where;
  perform(wanted, 0);
}

class mutex {
 public:
  constexpr mutex() noexcept = default;
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;
  void lock(CSP_MODEL_SITE) noexcept { act(action::lock, CSP_MODEL_HERE); }
  void unlock(CSP_MODEL_SITE) noexcept { act(action::unlock, CSP_MODEL_HERE); }

 private:
  void act(action what, const site& where) noexcept {
    operation wanted;
    wanted.what = what;
    wanted.address = this;
    wanted.size = sizeof word_;
    wanted.where = where;
    perform(wanted, 0);
  }
  std::uint64_t word_ = 0;
};

class [[nodiscard]] mutex_guard {
 public:
  explicit mutex_guard(mutex& held, CSP_MODEL_SITE) noexcept : held_(held), where_(CSP_MODEL_HERE) {
    held_.lock(file, line, function);
  }
  ~mutex_guard() { held_.unlock(where_.file, where_.line, where_.function); }
  mutex_guard(const mutex_guard&) = delete;
  mutex_guard& operator=(const mutex_guard&) = delete;

 private:
  mutex& held_;
  const site where_;
};

}  // namespace model

namespace csp::inline v0::detail {

template <class T>
using atomic = ::model::atomic<T>;
using thread_mutex = ::model::mutex;
using thread_mutex_guard = ::model::mutex_guard;

inline void cpu_relax(CSP_MODEL_SITE) noexcept {
  if (!::model::locks_may_sleep) {
    ::model::give_way(CSP_MODEL_HERE);
  }
}

inline void full_fence(CSP_MODEL_SITE) noexcept {
  ::model::fence(::model::action::fence, std::memory_order_seq_cst, CSP_MODEL_HERE);
}

/// As sched/base/asymmetric_fence.h promises it, and no more: two light fences mean nothing to each other.
struct asymmetric_fence {
  static void light(CSP_MODEL_SITE) noexcept {
    if (!::model::locks_may_sleep && std::strcmp(function, "unlock") == 0) {
      return;
    }
    ::model::fence(::model::action::light_fence, std::memory_order_relaxed, CSP_MODEL_HERE);
  }
  static void heavy(CSP_MODEL_SITE) noexcept {
    ::model::fence(::model::action::heavy_fence, std::memory_order_seq_cst, CSP_MODEL_HERE);
  }
};

}  // namespace csp::inline v0::detail
