#include "sched/sim/chooser.h"

#include <algorithm>
#include <charconv>

namespace csp::inline v0::detail {
namespace {

/// Moments over which the changes of priority are spread: runs differ in length by powers of two.
constexpr std::uint32_t shortest_horizon = 16;
constexpr std::uint32_t horizons = 7;
/// Most changes of priority: bugs that need more moments in a certain order are rare.
constexpr std::uint32_t most_changes = 5;
/// How often somebody may be passed over. No less than the longest horizon, within which a strategy is left alone.
constexpr std::uint32_t most_passes = shortest_horizon << (horizons - 1);

}  // namespace

std::string schedule::text() const {
  std::string result;
  for (const entry& each : entries) {
    result.append(result.empty() ? "" : ",").append(std::to_string(each.at));
    result.append(":").append(std::to_string(each.value));
  }
  return result;
}

std::optional<schedule> schedule::parse(std::string_view text) {
  schedule result;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    entry each;
    const auto place = std::from_chars(at, end, each.at);
    if (place.ec != std::errc() || place.ptr == end || *place.ptr != ':') {
      return std::nullopt;
    }
    const auto value = std::from_chars(place.ptr + 1, end, each.value);
    if (value.ec != std::errc() || each.value == 0 ||
        (!result.entries.empty() && result.entries.back().at >= each.at)) {
      return std::nullopt;
    }
    result.entries.push_back(each);
    at = value.ptr;
    if (at != end && (*at++ != ',' || at == end)) {
      return std::nullopt;
    }
  }
  return result;
}

chooser::chooser(std::uint64_t seed, search_strategy strategy)
    : random_(seed * 0x9E3779B97F4A7C15ull + 1), surroundings_(seed * 0xD1342543DE82EF95ull + 1), strategy_(strategy) {
  if (strategy_ == search_strategy::random_walk) {
    preempt_one_in_ = 1U << (1 + random_.below(4));
    return;
  }
  const std::uint32_t horizon = shortest_horizon << random_.below(horizons);
  const std::uint32_t count = 1 + random_.below(most_changes);
  for (std::uint32_t i = 0; i < count; ++i) {
    changes_.push_back(random_.below(horizon));
  }
}

chooser::chooser(const schedule& replayed) : replayed_(&replayed) {}

std::uint32_t chooser::note(std::uint32_t value) {
  if (value != 0) {
    chosen_.entries.push_back({choices_, value});
  }
  ++choices_;
  return value;
}

std::uint32_t chooser::replay(std::uint32_t count) {
  if (!replaying()) {
    return 0;
  }
  const std::vector<schedule::entry>& entries = replayed_->entries;
  if (next_entry_ == entries.size() || entries[next_entry_].at != choices_) {
    return 0;
  }
  // A shortened schedule may meet fewer alternatives than the run that it was taken from.
  return entries[next_entry_++].value % count;
}

std::uint32_t& chooser::priority_of(unsigned processor) {
  if (priorities_.size() <= processor) {
    priorities_.resize(processor + 1);
  }
  std::uint32_t& priority = priorities_[processor];
  if (priority == 0) {
    priority = 0x8000'0001 + random_.below(0x7fff'ffff);
  }
  return priority;
}

bool chooser::changes_priority() { return std::find(changes_.begin(), changes_.end(), steps_++) != changes_.end(); }

std::optional<std::uint32_t> chooser::starved(std::span<const unsigned> able) {
  passes_.resize(std::max<std::size_t>(passes_.size(), able.back() + 1));
  const auto first =
      std::find_if(able.begin(), able.end(), [this](unsigned each) { return passes_[each] >= most_passes; });
  return first != able.end() ? std::optional(static_cast<std::uint32_t>(first - able.begin())) : std::nullopt;
}

void chooser::count_passes(std::span<const unsigned> able, unsigned chosen) {
  for (const unsigned each : able) {
    passes_[each] = each == chosen ? 0 : passes_[each] + 1;
  }
}

unsigned chooser::next_processor(std::span<const unsigned> able, unsigned last) {
  points_ = 0;
  const auto place = std::find(able.begin(), able.end(), last);
  const auto in_need = starved(able);
  const auto quiet = in_need ? *in_need : static_cast<std::uint32_t>(place != able.end() ? place - able.begin() : 0);
  const auto count = static_cast<std::uint32_t>(able.size());
  std::uint32_t chosen = quiet;
  if (count != 1 && !quiet_) {
    if (replaying()) {
      chosen = (quiet + replay(count)) % count;
    } else if (strategy_ == search_strategy::random_walk) {
      chosen = random_.below(count);
    } else {
      chosen = choose_by_priority(able, in_need.has_value());
    }
    note((chosen + count - quiet) % count);
  }
  count_passes(able, able[chosen]);
  return able[chosen];
}

std::uint32_t chooser::choose_by_priority(std::span<const unsigned> able, bool unfair) {
  const auto highest = [&] {
    return std::max_element(able.begin(), able.end(),
                            [this](unsigned a, unsigned b) { return priority_of(a) < priority_of(b); });
  };
  auto chosen = highest();
  if (unfair) {
    // Whoever has run all the time comes last from here on; until the one in need is the highest, it takes its turns.
    priority_of(*chosen) = lowest_--;
    chosen = highest();
  }
  if (changes_priority()) {
    priority_of(*chosen) = lowest_--;
  }
  return static_cast<std::uint32_t>(chosen - able.begin());
}

bool chooser::preempts() {
  // Not noted: a replay comes to the same.
  if (++points_ > most_passes) {
    points_ = 0;
    return true;
  }
  if (quiet_) {
    return false;
  }
  const bool chosen = replaying()                                 ? replay(2) != 0
                      : strategy_ == search_strategy::random_walk ? random_.below(preempt_one_in_) == 0
                                                                  : changes_priority();
  if (chosen) {
    points_ = 0;
  }
  return note(chosen ? 1 : 0) != 0;
}

bool chooser::inverts() {
  if (quiet_) {
    return false;
  }
  // With priorities too: the order within one processor has none.
  const bool chosen = replaying() ? replay(2) != 0 : random_.below(2) != 0;
  return note(chosen ? 1 : 0) != 0;
}

std::uint32_t chooser::draw(std::uint32_t count) {
  if (quiet_ || count <= 1) {
    return 0;
  }
  return note(replaying() ? replay(count) : surroundings_.below(count));
}

bool chooser::happens(double rate) {
  if (quiet_ || rate <= 0) {
    return false;
  }
  // 2^32: next() is as often below rate * 2^32 as the rate says.
  const bool chosen = replaying() ? replay(2) != 0 : surroundings_.next() < rate * 4294967296.0;
  return note(chosen ? 1 : 0) != 0;
}

}  // namespace csp::inline v0::detail
