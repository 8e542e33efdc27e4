// channel/select_engine.h: what run_select tells and leaves, without the facade around it.
#include "channel/select_engine.h"

#include "test/conformance/crew.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace {

using csp::detail::channel;
using csp::detail::channel_pointer;
using csp::detail::never;
using csp::detail::run_select;
using csp::detail::select_arm;
using csp::detail::select_timeout;
using csp::detail::select_would_block;
using csp::detail::spinlock;
using direction = select_arm::direction;

using int_channel = channel_pointer<channel<int>>;

int_channel make(std::size_t capacity) { return int_channel(new channel<int>(capacity)); }

select_arm sending(const int_channel& target, int& value) {
  select_arm result;
  result.target = target.get();
  result.value = &value;
  result.way = direction::send;
  return result;
}

select_arm receiving(const int_channel& target, std::optional<int>& value) {
  select_arm result;
  result.target = target.get();
  result.value = &value;
  result.way = direction::receive;
  return result;
}

template <std::size_t Count>
int run(std::array<select_arm, Count>& arms, csp::detail::nanos deadline, bool may_wait) {
  std::array<spinlock*, Count> locks;
  return run_select(arms, locks, {.deadline = deadline}, may_wait);
}

}  // namespace

TEST_CASE("select engine: arms that do not take part are never chosen, and count in the index") {
  int value = 7;
  std::optional<int> got;
  const auto ring = make(1);
  select_arm none;
  select_arm nil;
  nil.way = direction::receive;
  nil.value = &got;
  std::array arms{none, nil, sending(ring, value)};
  CHECK_FALSE(arms[0].takes_part());
  CHECK_FALSE(arms[1].takes_part());
  CHECK(arms[2].takes_part());
  CHECK(run(arms, never, true) == 2);
  CHECK_FALSE(arms[2].closed);
  CHECK(ring->size() == 1);
}

TEST_CASE("select engine: a closed channel is told in the arm, and values are left alone") {
  int value = 7;
  std::optional<int> got;
  const auto ring = make(1);
  ring->close();
  std::array arms{sending(ring, value)};
  CHECK(run(arms, never, true) == 0);
  CHECK(arms[0].closed);
  CHECK(value == 7);
  arms[0] = receiving(ring, got);
  CHECK(run(arms, never, true) == 0);
  CHECK(arms[0].closed);
  CHECK_FALSE(got);
}

TEST_CASE("select engine: without a ready arm it answers at once, or when the deadline has come") {
  int value = 7;
  std::optional<int> got;
  const auto direct = make(0);
  std::array arms{sending(direct, value), receiving(direct, got)};
  CHECK(run(arms, never, false) == select_would_block);
  CHECK(run(arms, 0, true) == select_timeout);
  const auto soon = csp::detail::steady_now() + 1'000'000;
  CHECK(run(arms, soon, true) == select_timeout);
  CHECK(csp::detail::steady_now() >= soon);
  CHECK(direct->receivers.empty());
  CHECK(direct->senders.empty());
  CHECK(value == 7);
  CHECK_FALSE(got);
}

TEST_CASE("select engine: of several ready bits each is chosen, and no other") {
  const auto check = [](std::uint64_t ready, int rounds) {
    std::uint64_t chosen = 0;
    for (int i = 0; i < rounds; ++i) {
      const int bit = csp::detail::choose_of_several(ready);
      REQUIRE(bit >= 0);
      REQUIRE(bit < 64);
      chosen |= std::uint64_t{1} << bit;
    }
    REQUIRE(chosen == ready);
  };
  for (std::uint64_t ready = 1; ready <= 0xff; ++ready) {
    check(ready, 400);  // one of eight is missed in less than one of 10^22 such runs
  }
  check(0x8000'0000'0000'0001, 400);
  check(0x180, 400);
  check(~std::uint64_t{0}, 10'000);
}

TEST_CASE("select engine: of eight ready bits none is preferred") {
  constexpr int rounds = 80'000;
  std::array<int, 8> counts{};
  for (int i = 0; i < rounds; ++i) {
    ++counts[static_cast<std::size_t>(csp::detail::choose_of_several(0xff))];
  }
  // Seven standard deviations of a binomial distribution with p = 1/8.
  const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
  CHECK(*least > 10'000 - 655);
  CHECK(*most < 10'000 + 655);
}

TEST_CASE("select engine: many arms on one channel, in both directions: one is done, each time another may be") {
  csp_test::on_each_topology([](csp_test::expectations& expect, unsigned) {
    const auto direct = make(0);
    auto partner = csp::spawn([&] {
      int sum = 0;
      for (int i = 0; i < 50; ++i) {
        int value = 1;
        std::optional<int> got;
        std::array arms{receiving(direct, got), sending(direct, value), receiving(direct, got), sending(direct, value)};
        const int chosen = run(arms, never, true);
        sum += chosen % 2 == 0 ? got.value_or(1000) : 0;
      }
      return sum;
    });
    int sum = 0;
    for (int i = 0; i < 50; ++i) {
      int value = 1;
      std::optional<int> got;
      std::array arms{sending(direct, value), sending(direct, value), receiving(direct, got)};
      sum += run(arms, never, true) == 2 ? got.value_or(1000) : 0;
    }
    expect(partner.join() + sum == 50, "fifty values went one way or the other");
    expect(direct->receivers.empty() && direct->senders.empty(), "nothing is left");
  });
}
