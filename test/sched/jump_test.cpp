// sched/jump.h alone: what a function computes with is still there when its stack is resumed, though the other side has
// used the same registers meanwhile.
#include "sched/jump.h"

#include "sched/base/sanitizer.h"
#include "test/support/catch.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace {

namespace sanitizer = csp::detail::sanitizer;

constexpr std::uintptr_t rounds = 1000;

// More whole numbers than a compiler has registers that outlive a call.
struct sums {
  std::array<std::uint64_t, 8> whole{};
  float single = 0;
  double narrow = 0;
  long double wide = 0;
  bool understood = true;  // all messages of the other side
  friend bool operator==(const sums&, const sums&) = default;
};

// Where either side was left.
struct place {
  csp::detail::relaxed<void*> resume_point;
};
place mine;
place others;

// A message in which every word is another one.
csp_message tell(std::uintptr_t number) noexcept {
  const auto word = [number](std::uintptr_t which) { return reinterpret_cast<void*>(4 * number + which); };
  return {word(0), word(1), word(2), word(3)};
}
bool says(const csp_message& message, std::uintptr_t number) noexcept {
  const csp_message expected = tell(number);
  return message.here == expected.here && message.left == expected.left && message.argument == expected.argument &&
         message.commit == expected.commit;
}

// Who jumps must not be a function that calls nothing (see there).
[[gnu::noinline]] void call_something() { asm volatile(""); }

// The sums of so many steps, with between(i) after each. Nothing else in the loop is a call, so the compiler may keep
// them in any register that a jump there does not name.
template <class Between>
[[gnu::noinline]] sums add_up(unsigned step, Between between) {
  call_something();
  sums result;
  auto [a, b, c, d, e, f, g, h] = result.whole;
  float single = 0;
  double narrow = 0;
  long double wide = 0;
  bool understood = true;
  for (std::uintptr_t i = 0; i < rounds; ++i) {
    a += step;
    b += a;
    c ^= b;
    d += c;
    e ^= d;
    f += e;
    g ^= f;
    h += g;
    single += static_cast<float>(step);
    narrow += step;
    wide += step;
    understood = between(i) && understood;
  }
  result = {{a, b, c, d, e, f, g, h}, single, narrow, wide, understood};
  return result;
}

// With a jump to the other side after each step. That one is `ahead` of us by so many.
sums add_up_in_turns(place& self, place& partner, unsigned step, std::uintptr_t ahead) {
  return add_up(
      step, [&self, &partner, ahead ](std::uintptr_t i) __attribute__((always_inline)) {
        return says(csp::detail::jump(partner.resume_point.get(), self.resume_point, tell(i)), i + ahead);
      });
}

sums expected(unsigned step) {
  return add_up(step, [](std::uintptr_t) { return true; });
}

constexpr unsigned other_step = 7;
sums of_other;

// The other side; it is left for good after its last jump.
void run_other(csp_message message) {
  const bool understood = says(message, 0);
  of_other = add_up_in_turns(others, mine, other_step, 1);
  of_other.understood = of_other.understood && understood;
  static_cast<void>(csp::detail::jump(mine.resume_point.get(), others.resume_point, tell(rounds)));
}

}  // namespace

TEST_CASE("jump: both sides find what they compute with as they left it, and the other's message") {
  if constexpr (sanitizer::address_sanitizer || sanitizer::thread_sanitizer) {
    return;  // they are not told of these stacks
  }
  constexpr std::size_t size = 64 * 1024;
  alignas(64) static std::array<std::byte, size> stack;
  others.resume_point.set(
      csp::detail::make_stack_entry<&run_other>(stack.data() + stack.size(), size, csp::detail::control_word()));
  const sums result = add_up_in_turns(mine, others, 3, 0);
  static_cast<void>(csp::detail::jump(others.resume_point.get(), mine.resume_point, tell(rounds)));  // its last one
  CHECK(result == expected(3));
  CHECK(of_other == expected(other_step));
}
