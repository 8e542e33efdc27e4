// "If one or more of the communications can proceed, a single one that can proceed is chosen via a uniform
// pseudo-random selection": over many rounds the counts stay within a bound of chi-square that a fair choice exceeds
// about once in a million runs (24 for 2 outcomes, 33 for 4). The seed is fixed; plain threads and migration leave some
// chance.
#include "test/conformance/crew.h"

#include <array>
#include <cstddef>
#include <numeric>
#include <vector>

namespace {

using csp::chan;
using csp::on_recv;
using csp::on_send;
using csp_test::crew;
using csp_test::expectations;
using csp_test::on_each_cast;

constexpr double bound_of_2 = 24.0;
constexpr double bound_of_4 = 33.0;

csp::options seeded() {
  csp::options result;
  result.seed = 20240229;
  return result;
}

// How far counts are from equal ones.
template <std::size_t Outcomes>
double chi_square(const std::array<std::size_t, Outcomes>& counts) {
  const auto total = static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::size_t{0}));
  const double wanted = total / static_cast<double>(Outcomes);
  double sum = 0;
  for (const std::size_t count : counts) {
    const double error = static_cast<double>(count) - wanted;
    sum += error * error / wanted;
  }
  return sum;
}

std::size_t rounds() { return csp_test::scaled(8000) + 400; }

}  // namespace

TEST_CASE("go spec, Select statements: of the arms that can proceed one is chosen, each with the same chance") {
  on_each_cast(
      [](expectations& expect, crew& people) {
        people.add([&] {
          const chan<int> full(1);
          const chan<int> empty(1);
          const chan<int> closed;
          full.send(1);
          closed.close();
          std::array<std::size_t, 4> counts{};
          for (std::size_t i = 0; i < rounds(); ++i) {
            const int chosen =
                csp::select(on_recv(closed), on_recv(full), on_send(empty, 1), on_recv(closed), on_recv(empty));
            ++counts.at(static_cast<std::size_t>(chosen));
            if (chosen == 1) {
              full.send(1);
            } else if (chosen == 2) {
              static_cast<void>(empty.recv());
            }
          }
          expect(chi_square(counts) < bound_of_4, "uniform");
        });
        people.join();
      },
      seeded());
}

TEST_CASE("fairness: the chance does not depend on where unready arms stand between the ready ones") {
  on_each_cast(
      [](expectations& expect, crew& people) {
        people.add([&] {
          const chan<int> never;
          const chan<int> closed;
          closed.close();
          std::array<std::size_t, 2> counts{};
          for (std::size_t i = 0; i < rounds(); ++i) {
            const int chosen = csp::select(on_recv(never), on_recv(closed), on_recv(never), on_recv(never),
                                           on_recv(never), on_recv(closed));
            expect(chosen == 1 || chosen == 5, "a ready one");
            ++counts[chosen == 1 ? 0 : 1];
          }
          expect(chi_square(counts) < bound_of_2, "one in two, although the gaps are 1 and 3");
        });
        people.join();
      },
      seeded());
}

TEST_CASE("fairness: choices do not follow from the choices before them") {
  on_each_cast(
      [](expectations& expect, crew& people) {
        people.add([&] {
          const chan<int> closed;
          closed.close();
          std::array<std::size_t, 4> pairs{};
          std::array<std::size_t, 4> gapped{};
          int before = 0;
          int long_before = 0;
          for (std::size_t i = 0; i < rounds(); ++i) {
            const int chosen = csp::select(on_recv(closed), on_recv(closed));
            ++pairs[static_cast<std::size_t>(before * 2 + chosen)];
            ++gapped[static_cast<std::size_t>(long_before * 2 + chosen)];
            long_before = before;
            before = chosen;
          }
          expect(chi_square(pairs) < bound_of_4, "each pair of choices in turn");
          expect(chi_square(gapped) < bound_of_4, "each pair with one between");
        });
        people.join();
      },
      seeded());
}

TEST_CASE("fairness: a run-time list chooses in the same way") {
  on_each_cast(
      [](expectations& expect, crew& people) {
        people.add([&] {
          const chan<int> closed;
          closed.close();
          std::array<std::size_t, 4> counts{};
          csp::select_list list;
          for (std::size_t i = 0; i < counts.size(); ++i) {
            list.add(on_recv(closed));
          }
          for (std::size_t i = 0; i < rounds(); ++i) {
            ++counts.at(static_cast<std::size_t>(list.run()));
          }
          expect(chi_square(counts) < bound_of_4, "uniform");
        });
        people.join();
      },
      seeded());
}

TEST_CASE("fairness: with a fixed seed and one processor the choices are the same in every run") {
  const auto choices = [](std::uint64_t seed) {
    csp::options wanted;
    wanted.processors = 1;
    wanted.seed = seed;
    return csp::run(wanted, [] {
      const chan<int> closed;
      closed.close();
      std::vector<int> result;
      for (int i = 0; i < 200; ++i) {
        result.push_back(csp::select(on_recv(closed), on_recv(closed), on_recv(closed)));
      }
      return result;
    });
  };
  CHECK(choices(7) == choices(7));
  CHECK(choices(7) != choices(8));
}

TEST_CASE("fairness: an arm that is always ready does not keep a timeout of zero or another arm from its turn") {
  on_each_cast(
      [](expectations& expect, crew& people) {
        const chan<int> flood;
        const chan<int> rare(1);
        flood.close();
        rare.send(1);
        people.add([&] {
          std::size_t turns = 0;
          while (csp::select(on_recv(flood), on_recv(rare)) == 0 && turns < 200) {
            ++turns;
          }
          expect(turns < 200, "its chance to lose 200 turns in a row is nil");
        });
        people.join();
      },
      seeded());
}
