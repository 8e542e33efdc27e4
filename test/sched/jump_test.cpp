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

constexpr int rounds = 1000;

// More whole numbers than a compiler has registers that outlive a call.
struct sums {
  std::array<std::uint64_t, 8> whole{};
  float single = 0;
  double narrow = 0;
  long double wide = 0;
  friend bool operator==(const sums&, const sums&) = default;
};

// Who jumps must not be a function that calls nothing (see there).
[[gnu::noinline]] void call_something() { asm volatile(""); }

// The sums of so many steps, with a jump after each. Nothing else in the loop is a call, so the compiler may keep them
// in any register that the jump does not name.
[[gnu::noinline]] sums add_up(void*& partner, unsigned step) {
  call_something();
  sums result;
  auto [a, b, c, d, e, f, g, h] = result.whole;
  float single = 0;
  double narrow = 0;
  long double wide = 0;
  void* other = partner;
  for (int i = 0; i < rounds; ++i) {
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
    other = csp::detail::jump(other, nullptr).left;
  }
  partner = other;
  result = {{a, b, c, d, e, f, g, h}, single, narrow, wide};
  return result;
}

// The same without jumps.
sums expected(unsigned step) {
  sums result;
  auto& [a, b, c, d, e, f, g, h] = result.whole;
  for (int i = 0; i < rounds; ++i) {
    a += step;
    b += a;
    c ^= b;
    d += c;
    e ^= d;
    f += e;
    g ^= f;
    h += g;
    result.single += static_cast<float>(step);
    result.narrow += step;
    result.wide += step;
  }
  return result;
}

constexpr unsigned other_step = 7;
sums of_other;

// The other side; it is left for good after its last jump.
void run_other(csp_transfer from) {
  void* partner = from.left;
  of_other = add_up(partner, other_step);
  static_cast<void>(csp::detail::jump(partner, nullptr));
}

}  // namespace

TEST_CASE("jump: both sides find what they compute with as they left it") {
  if constexpr (sanitizer::address_sanitizer || sanitizer::thread_sanitizer) {
    return;  // they are not told of these stacks
  }
  constexpr std::size_t size = 64 * 1024;
  alignas(64) static std::array<std::byte, size> stack;
  void* partner =
      csp::detail::make_stack_entry(stack.data() + stack.size(), size, run_other, csp::detail::control_word());
  const sums mine = add_up(partner, 3);
  static_cast<void>(csp::detail::jump(partner, nullptr));  // the other side's last one
  CHECK(mine == expected(3));
  CHECK(of_other == expected(other_step));
}
