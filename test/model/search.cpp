#include "test/model/search.h"

#include <algorithm>
#include <bit>

namespace model {
namespace {

constexpr thread_set bit(unsigned thread) noexcept { return thread_set{1} << thread; }
unsigned lowest(thread_set set) noexcept { return static_cast<unsigned>(std::countr_zero(set)); }

}  // namespace

bool footprint::conflicts(const footprint& other) const noexcept {
  for (unsigned i = 0; i < count; ++i) {
    for (unsigned j = 0; j < other.count; ++j) {
      if (accesses[i].variable == other.accesses[j].variable && (accesses[i].writes || other.accesses[j].writes)) {
        return true;
      }
    }
  }
  return false;
}

void search::join(past& into, const past& other) noexcept {
  for (unsigned i = 0; i < most_threads; ++i) {
    into[i] = std::max(into[i], other[i]);
  }
}

void search::reset() noexcept {
  path_.clear();
  replayed_ = 0;
}

void search::begin() noexcept {
  events_.clear();
  pasts_ = {};
  for (history& each : touched_) {
    each.events.clear();
    each.writes = {};
    each.all = {};
  }
  asleep_ = 0;
  last_ = 0;
  redundant_ = false;
}

bool search::next() noexcept {
  for (; !path_.empty(); path_.pop_back()) {
    node& at = path_.back();
    if (at.choice + 1 < at.choices) {
      ++at.choice;
      break;
    }
    at.done |= bit(at.thread);
    const thread_set left = at.wanted & at.enabled & ~at.done & ~at.asleep;
    if (left != 0) {
      at.thread = lowest(left);
      at.choice = 0;
      at.choices = 1;
      break;
    }
  }
  replayed_ = path_.size();
  return !path_.empty();
}

unsigned search::choose_thread(thread_set enabled, const std::array<footprint, most_threads>& pending) noexcept {
  const std::size_t depth = events_.size();
  if (redundant_) {  // in turns, so that it ends
    const thread_set after = enabled & ~(bit(last_ + 1) - 1);
    return last_ = lowest(after != 0 ? after : enabled);
  }
  pending_ = pending;
  if (depth < path_.size()) {
    return last_ = path_[depth].thread;
  }
  const thread_set fresh = enabled & ~asleep_;
  if (fresh == 0) {
    redundant_ = true;
    return last_ = lowest(enabled);
  }
  node made;
  made.enabled = enabled;
  made.asleep = asleep_;
  made.thread = (fresh & bit(last_)) != 0 ? last_ : lowest(fresh);
  made.wanted = bit(made.thread);
  path_.push_back(made);
  return last_ = made.thread;
}

unsigned search::repeat_thread() noexcept {
  return events_.size() + 1 < replayed_ ? last_ = path_[events_.size()].thread : 0;
}

unsigned search::choose_value(unsigned count) noexcept {
  if (redundant_) {
    return 0;
  }
  node& at = path_[events_.size()];
  at.choices = count;
  return at.choice;
}

bool search::in_past(unsigned thread, std::uint32_t place) const noexcept {
  return place == memory::no_event || events_[place].number <= pasts_[thread][events_[place].thread];
}

void search::note(unsigned thread, const footprint& what, std::uint32_t cause) noexcept {
  const std::size_t depth = events_.size();
  const past before = pasts_[thread];
  event made;
  made.thread = thread;
  made.number = static_cast<std::uint16_t>(before[thread] + 1);
  made.what = what;
  made.before = before;
  made.before[thread] = made.number;
  if (cause != memory::no_event) {
    join(made.before, events_[cause].before);
  }
  for (unsigned i = 0; i < what.count; ++i) {
    const history& each = touched_[what.accesses[i].variable];
    join(made.before, what.accesses[i].writes ? each.all : each.writes);
  }
  // What was repeated has been looked at; its last operation is new.
  if (!redundant_ && depth + 1 >= replayed_) {
    past known = before;
    if (cause != memory::no_event) {
      join(known, events_[cause].before);
    }
    reverse(made, known);
    const node& at = path_[depth];
    asleep_ = 0;
    for (unsigned other = 0; other < most_threads; ++other) {
      if (other != thread && ((at.asleep | at.done) & bit(other)) != 0 && !pending_[other].conflicts(what)) {
        asleep_ |= bit(other);
      }
    }
  }
  pasts_[thread] = made.before;
  for (unsigned i = 0; i < what.count; ++i) {
    history& each = touched_[what.accesses[i].variable];
    each.events.push_back(static_cast<std::uint32_t>(depth));
    join(each.all, made.before);
    if (what.accesses[i].writes) {
      join(each.writes, made.before);
    }
  }
  events_.push_back(made);
}

// For each earlier conflicting operation that nothing else orders before this one: an execution must be run in which
// this one comes first.
void search::reverse(const event& later, const past& before) noexcept {
  if (later.what.what == footprint::kind::unlock) {
    return;
  }
  past known = before;
  for (unsigned i = 0; i < later.what.count; ++i) {
    const access& mine = later.what.accesses[i];
    const std::vector<std::uint32_t>& list = touched_[mine.variable].events;
    for (std::size_t at = list.size(); at-- != 0;) {
      const event& earlier = events_[list[at]];
      if (earlier.what.what != later.what.what || earlier.number <= known[earlier.thread] ||
          !earlier.what.conflicts(later.what)) {
        continue;
      }
      want_before(list[at], later);
      join(known, earlier.before);
    }
  }
}

// What follows the earlier operation without depending on it, and then the later one, could have come instead of it. It
// is enough that one thread which can begin that is tried there.
void search::want_before(std::uint32_t earlier, const event& later) noexcept {
  const event& first = events_[earlier];
  thread_set initials = 0;
  thread_set seen = 0;
  const auto independent = [&first](const event& each) { return each.before[first.thread] < first.number; };
  const auto begins = [&](const event& each, std::size_t end) {
    for (std::size_t at = earlier + 1; at < end; ++at) {
      const event& other = events_[at];
      if (independent(other) && each.before[other.thread] >= other.number) {
        return false;
      }
    }
    return true;
  };
  for (std::size_t at = earlier + 1; at < events_.size(); ++at) {
    const event& each = events_[at];
    if (!independent(each) || (seen & bit(each.thread)) != 0) {
      continue;
    }
    seen |= bit(each.thread);
    if (begins(each, at)) {
      initials |= bit(each.thread);
    }
  }
  if ((seen & bit(later.thread)) == 0 && begins(later, events_.size())) {
    initials |= bit(later.thread);
  }
  node& at = path_[earlier];
  if (((at.wanted | at.done | at.asleep) & initials) != 0) {
    return;
  }
  if ((initials & bit(later.thread) & at.enabled) != 0) {
    at.wanted |= bit(later.thread);
  } else if ((initials & at.enabled) != 0) {
    at.wanted |= bit(lowest(initials & at.enabled));
  } else {
    at.wanted |= at.enabled;
  }
}

}  // namespace model
