// A field that one thread at a time writes and others may glance at: relaxed loads and stores, which are plain moves.
//
// It also serves for fields that are private to a processor but touched by many tasks, one after another on its
// thread: the sanitizer sees tasks as threads of their own and would take plain accesses for a race.
#pragma once

namespace csp::inline v0::detail {

template <class T>
class relaxed {
 public:
  constexpr relaxed() noexcept : value_() {}
  explicit constexpr relaxed(T value) noexcept : value_(value) {}

  [[nodiscard]] T get() const noexcept { return value_.load(std::memory_order_relaxed); }
  void set(T value) noexcept { value_.store(value, std::memory_order_relaxed); }

  /// Adds without a read-modify-write; the single writer only.
  void add(T amount) noexcept { set(static_cast<T>(get() + amount)); }

 private:
  atomic<T> value_;
};

}  // namespace csp::inline v0::detail
