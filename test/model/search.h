// The search: which thread goes next, and which of several values a load reads, over all executions that differ.
//
// Executions are run again and again from the start. Two executions are alike when they order the conflicting
// operations alike; of each class at least one is run: dynamic partial order reduction with source sets and sleep sets
// (Abdulla, Aronis, Jonsson, Sagonas, "Optimal dynamic partial order reduction", POPL 2014). Operations conflict when
// both touch a variable and one writes it; fences count as accesses to variables of their own.
//
// A load may read an older store only if the newest one is in the load's past by other conflicts already. Otherwise the
// same happens in an execution where the load comes first, and that one is run too.
#pragma once

#include "test/model/memory.h"

#include <array>
#include <cstdint>
#include <vector>

namespace model {

struct access {
  unsigned variable = 0;
  bool writes = false;
};

/// What an operation touches, as far as others can tell its place among theirs.
struct footprint {
  enum class kind : std::uint8_t { plain, lock, unlock };
  std::array<access, 2> accesses{};
  std::uint8_t count = 0;
  kind what = kind::plain;  // an unlock cannot come later than the lock that follows it: locks alone change places

  void add(unsigned variable, bool writes) noexcept { accesses[count++] = {variable, writes}; }
  [[nodiscard]] bool conflicts(const footprint& other) const noexcept;
};

/// A set of threads, a bit for each.
using thread_set = std::uint32_t;

class search {
 public:
  search() : touched_(most_variables) {}
  /// From the start: nothing is known.
  void reset() noexcept;
  /// Another execution begins.
  void begin() noexcept;
  /// Moves on to the next execution; false when there is none.
  bool next() noexcept;

  /// Who goes next. `pending` are the footprints of all threads, by number.
  unsigned choose_thread(thread_set enabled, const std::array<footprint, most_threads>& pending) noexcept;
  /// The same while nothing new is to be found; 0 from the last operation that is repeated on.
  unsigned repeat_thread() noexcept;
  /// One of `count` values, for the operation that is about to be noted.
  unsigned choose_value(unsigned count) noexcept;
  /// The chosen thread has made its operation. `cause`: the event that enabled it, if the footprint does not tell.
  void note(unsigned thread, const footprint& what, std::uint32_t cause) noexcept;

  /// True when the event lies in the thread's past.
  [[nodiscard]] bool in_past(unsigned thread, std::uint32_t place) const noexcept;
  /// How many operations this execution has made.
  [[nodiscard]] std::uint32_t length() const noexcept { return static_cast<std::uint32_t>(events_.size()); }
  /// True when this execution is like one that was run before; it is only brought to its end.
  [[nodiscard]] bool is_redundant() const noexcept { return redundant_; }

 private:
  using past = std::array<std::uint16_t, most_threads>;  // of each thread, how many of its operations

  struct event {
    unsigned thread = 0;
    std::uint16_t number = 0;  // of its thread, from 1
    footprint what;
    past before{};  // with itself
  };
  struct node {
    thread_set enabled = 0;
    thread_set wanted = 0;  // to be tried here
    thread_set done = 0;
    thread_set asleep = 0;  // tried elsewhere: nothing since has touched what they do
    unsigned thread = 0;
    unsigned choice = 0;
    unsigned choices = 1;
  };
  struct history {
    std::vector<std::uint32_t> events;
    past writes{};
    past all{};
  };
  static void join(past& into, const past& other) noexcept;
  void reverse(const event& later, const past& before) noexcept;
  void want_before(std::uint32_t earlier, const event& later) noexcept;

  std::vector<node> path_;
  std::size_t replayed_ = 0;  // nodes of the path that this execution repeats, the last one with another choice
  std::vector<event> events_;
  std::array<past, most_threads> pasts_{};
  std::vector<history> touched_;
  thread_set asleep_ = 0;
  std::array<footprint, most_threads> pending_{};
  unsigned last_ = 0;
  bool redundant_ = false;
};

}  // namespace model
