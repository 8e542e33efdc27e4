// Selects that meet: both sides agree on one arm each, nobody waits beside somebody who could help, and losers leave
// nothing behind. The simulator reports who is left waiting.
#include "test/sim/seeds.h"

#include <chrono>
#include <optional>

using namespace std::chrono_literals;
using csp::testing::check;
using csp_test::on_seeds;

namespace {

constexpr std::uint64_t seeds = 10'000;

}  // namespace

TEST_CASE("sim, two selects meet on one of two channels") {
  on_seeds(seeds, [] {
    const csp::chan<int> a;
    const csp::chan<int> b;
    int sent = -1;
    std::optional<int> got;
    csp::wait_group both(2);
    csp::go([&] {
      sent = csp::select(csp::on_send(a, 10), csp::on_send(b, 11));
      both.done();
    });
    csp::go([&] {
      const int chosen = csp::select(csp::on_recv(b, [&](std::optional<int> value) { got = value; }),
                                     csp::on_recv(a, [&](std::optional<int> value) { got = value; }));
      check(chosen == (got == 10 ? 1 : 0), "the arm of that channel");
      both.done();
    });
    both.wait();
    check(got == 10 + sent, "both tell of the same value");
    check(a.try_send(1) == csp::op_status::would_block && b.try_send(1) == csp::op_status::would_block,
          "nobody waits any more");
  });
}

TEST_CASE("sim, selects that both send and receive exchange values, each with another one") {
  on_seeds(seeds, [] {
    const csp::chan<int> a;
    const csp::chan<int> b;
    constexpr int members = 4;
    int sends = 0;
    int receives = 0;
    int sum = 0;
    csp::wait_group all(members);
    for (int i = 0; i < members; ++i) {
      csp::go([&, i] {
        const auto take = [&, i](std::optional<int> value) {
          check(value != i, "not from itself");
          sum += *value;
          ++receives;
        };
        const auto gave = [&, i] {
          sum -= i;
          ++sends;
        };
        csp::select(csp::on_send(a, i, gave), csp::on_recv(a, take), csp::on_recv(b, take), csp::on_send(b, i, gave));
        all.done();
      });
    }
    all.wait();
    check(sends == members / 2 && receives == members / 2 && sum == 0, "in pairs");
  });
}

TEST_CASE("sim, a default is chosen only when nothing can proceed at one moment") {
  on_seeds(seeds, [] {
    const csp::chan<int> place(1);
    csp::wait_group all;
    for (int i = 0; i < 3; ++i) {
      all.go([&] {
        for (int round = 0; round < 5; ++round) {
          csp::select(csp::on_send(place, 1), csp::on_recv(place),
                      csp::otherwise([] { check(false, "there is a value or room at any time"); }));
          csp::testing::point();
        }
      });
    }
    all.wait();
  });
}
