#include "test/history/scenario.h"

#include "test/support/dice.h"

#include <algorithm>
#include <utility>

namespace csp_test {
namespace {

class maker {
 public:
  explicit maker(std::uint64_t seed) : chance_(seed) { result_.seed = seed; }

  scenario free() {
    make_channels();
    const unsigned actors = 3 + chance_.below(4);
    for (unsigned i = 0; i < actors; ++i) {
      auto& steps = result_.actors.emplace_back(3 + chance_.below(4));
      for (step& each : steps) {
        fill(each);
      }
    }
    return std::move(result_);
  }

  // Each send can meet each receive: all have the same arms, but for their direction.
  scenario balanced() {
    result_.balanced = true;
    make_channels();
    const unsigned pairs = 1 + chance_.below(3);
    const unsigned each = 3 + chance_.below(4);
    for (unsigned i = 0; i < 2 * pairs; ++i) {
      auto& steps = result_.actors.emplace_back(each);
      for (step& one : steps) {
        for (unsigned channel = 0; channel < result_.capacities.size(); ++channel) {
          one.what.arms.push_back(make_arm(i % 2 == 0 ? way::send : way::receive, channel));
        }
        spell(one);
      }
    }
    return std::move(result_);
  }

 private:
  void make_channels() {
    // Unbuffered ones, and buffers so small that they are full and empty often.
    constexpr std::size_t capacities[] = {0, 0, 1, 2, 3};
    result_.capacities.resize(1 + chance_.below(2));
    for (std::size_t& capacity : result_.capacities) {
      capacity = capacities[chance_.below(5)];
    }
  }

  arm make_arm(way does, unsigned channel) { return {does, channel, does == way::send ? ++last_value_ : 0}; }

  unsigned any_channel() { return chance_.below(static_cast<unsigned>(result_.capacities.size())); }

  void fill(step& each) {
    operation& what = each.what;
    // Few closes: what comes after one is soon told.
    if (chance_.once_in(40)) {
      what.arms.push_back(make_arm(way::close, any_channel()));
    } else {
      const unsigned arms = chance_.once_in(3) ? 2 + chance_.below(most_arms - 1) : 1;
      for (unsigned i = 0; i < arms; ++i) {
        what.arms.push_back(make_arm(chance_.once_in(2) ? way::send : way::receive, any_channel()));
      }
      what.waits = static_cast<patience>(chance_.below(3));
    }
    spell(each);
  }

  void spell(step& each) {
    each.yields = chance_.once_in(2) ? 0 : chance_.below(3);
    if (each.what.arms.front().does == way::close) {
      return;
    }
    each.spelled = static_cast<form>(chance_.below(3));
    if (each.spelled == form::direct && each.what.arms.size() > 1) {
      each.spelled = form::select;
    }
    // From none, which is one attempt, to some that others come in between.
    each.limit = chance_.once_in(4) ? 0 : chance_.below(40);
  }

  dice chance_;
  scenario result_;
  std::uint64_t last_value_ = 0;
};

}  // namespace

scenario make_scenario(std::uint64_t seed) { return seed % 4 == 3 ? maker(seed).balanced() : maker(seed).free(); }

}  // namespace csp_test
