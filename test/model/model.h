// What the tests of this folder are written with.
//
// A scenario is a class: its constructor sets up, `run(thread)` is what each of `threads` threads does, and `finish()`
// looks at the result when all have ended. Every execution has a scenario of its own. Between two atomic operations a
// thread is not interrupted; nothing in a thread may own memory of the heap when it waits, since a failed execution is
// left where it stands.
#pragma once

#include "test/model/memory.h"
#include "test/model/mutant.h"

#include <cstddef>
#include <new>
#include <string>

namespace model {

/// The execution has gone wrong: it ends here, and the test reports it with its trace. On a scenario's thread or in
/// finish().
void fail(const char* text) noexcept;
inline void check(bool holds, const char* text) noexcept {
  if (!holds) {
    fail(text);
  }
}

/// One of 0 to count - 1; every one is tried. In a scenario's thread.
[[nodiscard]] unsigned choose(unsigned count) noexcept;

/// The number of the thread that runs, from 0; set_on_switch() has a function called whenever it changes.
[[nodiscard]] unsigned this_thread() noexcept;
void set_on_switch(void (*hook)()) noexcept;

/// How much larger than usual the scenarios shall be: the environment's CSP_MODEL_BOUND, or 1.
[[nodiscard]] unsigned bound() noexcept;

/// Memory without an order of its own, as all plain memory is: two accesses, one of them a write, of which none happens
/// before the other are a race, and fail.
class tracked {
 public:
  void read(const site& where) noexcept;
  void write(const site& where) noexcept;

 private:
  struct mark {
    std::uint16_t clock = 0;
    site where;
    bool made = false;
  };
  std::array<mark, most_threads> reads_{};
  mark write_;
  unsigned writer_ = 0;
};

template <class T>
class plain {
 public:
  plain() = default;
  explicit plain(T value) : value_(value) {}
  [[nodiscard]] T get(const char* file = __builtin_FILE(), int line = __builtin_LINE(),
                      const char* function = __builtin_FUNCTION()) noexcept {
    watched_.read({file, line, function});
    return value_;
  }
  void set(T value, const char* file = __builtin_FILE(), int line = __builtin_LINE(),
           const char* function = __builtin_FUNCTION()) noexcept {
    watched_.write({file, line, function});
    value_ = value;
  }

 private:
  T value_{};
  tracked watched_;
};

/// A scenario without its type.
struct scenario {
  unsigned threads;
  void* (*construct)();
  void (*destroy)(void*);
  void (*run)(void*, unsigned);
  void (*finish)(void*);
};

template <class S>
[[nodiscard]] scenario erase() noexcept {
  alignas(64) static std::byte place[sizeof(S)];
  return {S::threads, [] { return static_cast<void*>(::new (static_cast<void*>(place)) S); },
          [](void* made) { static_cast<S*>(made)->~S(); },
          [](void* made, unsigned thread) { static_cast<S*>(made)->run(thread); },
          [](void* made) { static_cast<S*>(made)->finish(); }};
}

/// Runs every execution of the shipped code and prints how many there are; false, with a trace, when one fails.
[[nodiscard]] bool passes(const char* name, const scenario& what);
/// Plants the mutant and looks for an execution that fails; false when there is none.
[[nodiscard]] bool catches(const char* name, const scenario& what, const mutant& planted);

template <class S>
[[nodiscard]] bool passes(const char* name) {
  return passes(name, erase<S>());
}
template <class S>
[[nodiscard]] bool catches(const char* name, const mutant& planted) {
  return catches(name, erase<S>(), planted);
}

}  // namespace model
