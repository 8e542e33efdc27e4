// The floating-point environment is the task's: rounding mode and exception masks stay as a task has set them while
// others run, and come to nobody else (sched/jump.h).
#include "test/support/topologies.h"

#include <array>
#include <cfenv>

using csp_test::expectations;
using csp_test::on_each_topology;

// Boost.Context, which jumps elsewhere, leaves the environment to the thread.
#if defined(__x86_64__)
namespace {

// A third, rounded: by the unit that works with doubles, and by the one that works with long doubles.
struct thirds {
  double narrow;
  long double wide;
  friend bool operator==(const thirds&, const thirds&) = default;
};

[[gnu::noinline]] thirds divide() {
  const volatile double one = 1;
  const volatile double three = 3;
  const volatile long double long_one = 1;
  const volatile long double long_three = 3;
  return {one / three, long_one / long_three};
}

thirds divide_rounding(int mode) {
  const int before = std::fegetround();
  std::fesetround(mode);
  const thirds result = divide();
  std::fesetround(before);
  return result;
}

}  // namespace

TEST_CASE("floating point: a rounding mode is its task's, on whatever processor it goes on") {
  const thirds up = divide_rounding(FE_UPWARD);
  const thirds down = divide_rounding(FE_DOWNWARD);
  REQUIRE(up.narrow != down.narrow);
  REQUIRE(up.wide != down.wide);
  on_each_topology([](expectations& expect, unsigned) {
    constexpr int tasks = 12;
    const int rounds = static_cast<int>(csp_test::scaled(200));
    csp::wait_group all(tasks);
    for (int t = 0; t < tasks; ++t) {
      csp::go([&, t] {
        constexpr std::array modes{FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
        const int mode = modes[static_cast<std::size_t>(t) % modes.size()];
        std::fesetround(mode);
        const thirds want = divide();
        for (int i = 0; i < rounds; ++i) {
          csp::yield();
          expect(std::fegetround() == mode, "the mode");
          expect(divide() == want, "what it does");
        }
        all.done();
      });
    }
    all.wait();
  });
}

TEST_CASE("floating point: a task starts with its processor's environment, whatever others have set") {
  on_each_topology([](expectations& expect, unsigned) {
    std::fesetround(FE_DOWNWARD);
    // More than are in line at once: some follow one another on a stack, without a switch.
    constexpr int tasks = 64;
    csp::wait_group all(tasks);
    for (int t = 0; t < tasks; ++t) {
      csp::go([&] {
        expect(std::fegetround() == FE_TONEAREST, "fresh in a new task");
        std::fesetround(FE_UPWARD);
        all.done();
      });
    }
    all.wait();
    expect(std::fegetround() == FE_DOWNWARD, "kept by the spawner");
  });
  CHECK(std::fegetround() == FE_TONEAREST);
}

TEST_CASE("floating point: unmasked exceptions are their task's") {
  on_each_topology([](expectations& expect, unsigned) {
    const csp::chan<int> turn;
    auto other = csp::spawn([&] {
      expect(fegetexcept() == 0, "fresh in a new task");
      feenableexcept(FE_DIVBYZERO);
      turn.send(1);
      static_cast<void>(turn.recv());
      expect(fegetexcept() == FE_DIVBYZERO, "kept");
    });
    static_cast<void>(turn.recv());
    expect(fegetexcept() == 0, "not told to others");
    const volatile double zero = 0;
    expect(1 / zero > 0, "no SIGFPE");
    turn.send(2);
    other.join();
  });
}
#endif
