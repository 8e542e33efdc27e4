// What a thread of a model does next, in the terms of the memory model: the vocabulary between the atomics that the
// code under test uses (atomics.h) and the checker that decides what they do (execution.h).
#pragma once

#include <cstdint>

namespace model {

/// A place in the source.
struct site {
  const char* file = "";
  int line = 0;
  const char* function = "";
};

enum class action : std::uint8_t {
  load,
  store,
  exchange,     // any read-modify-write that always succeeds
  compare,      // compare and exchange
  fence,        // of C++
  light_fence,  // the two sides of csp's asymmetric fence
  heavy_fence,
  lock,  // of a mutex
  unlock,
  futex_wait,    // looks at the word and goes to sleep
  futex_return,  // comes back: woken, or by its deadline
  futex_wake,
  yield,   // gives way until a variable that it has read has changed
  choose,  // a choice of the scenario's
};

enum class order : std::uint8_t { relaxed, acquire, release, acquire_release, sequential };

/// What a read-modify-write makes of the old value.
enum class modification : std::uint8_t { assign, add, subtract, bit_or, bit_and };

struct operation {
  action what = action::load;
  const void* address = nullptr;
  order success = order::relaxed;
  order failure = order::relaxed;  // of a compare that fails
  modification how = modification::assign;
  std::uint8_t size = 0;       // of the variable, in bytes
  bool timed = false;          // futex_return: the deadline may pass
  std::uint64_t operand = 0;   // what is stored or added; how many are woken; how many choices there are
  std::uint64_t expected = 0;  // of a compare, or a futex_wait
  site where;
};

/// What came of it.
struct answer {
  std::uint64_t value = 0;  // that was read
  bool success = true;      // of a compare; futex_return: woken
};

/// Does the operation: lets other threads run first where the search wants that. In a thread of a scenario, or while
/// one is set up or looked at; at other times it is done at once, on the object itself. `initial` is the value of a
/// variable that is met for the first time.
answer perform(const operation& wanted, std::uint64_t initial) noexcept;

/// A variable begins or ends its life: what its memory held before, or holds later, is another variable.
void begin_life(const void* address) noexcept;
void end_life(const void* address) noexcept;

/// False outside executions: static initialization and the like.
[[nodiscard]] bool in_execution() noexcept;

}  // namespace model
