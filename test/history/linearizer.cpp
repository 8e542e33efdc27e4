#include "test/history/linearizer.h"

#include <algorithm>
#include <deque>
#include <string>
#include <unordered_set>

namespace csp_test {
namespace {

struct channel_state {
  std::size_t capacity = 0;
  bool closed = false;
  std::deque<std::uint64_t> buffer;

  [[nodiscard]] bool can_proceed(way does) const {
    return closed || (does == way::send ? buffer.size() < capacity : does == way::close || !buffer.empty());
  }
};

using channel_states = std::vector<channel_state>;
using mask = std::uint64_t;

class search {
 public:
  explicit search(const history& all) : operations_(all.operations) {
    for (const std::size_t capacity : all.capacities) {
      channels_.push_back({capacity, false, {}});
    }
  }

  verdict run() {
    const std::size_t count = operations_.size();
    const bool well_formed = std::all_of(operations_.begin(), operations_.end(), [](const operation& one) {
      return one.invoked < one.returned && one.chosen < static_cast<int>(one.arms.size()) &&
             (one.chosen >= 0 || one.result != outcome::done);
    });
    if (count > 64 || !well_formed) {
      return {};
    }
    const bool found = extend(count == 64 ? ~mask{0} : (mask{1} << count) - 1);
    return {found, seen_.size()};
  }

 private:
  // Places all operations of `rest`, in the state that channels_ holds; restores that unless it succeeds.
  bool extend(mask rest) {
    // What leaves the state as it is may come as early as it is allowed to: any order with it later has one with it
    // now.
    rest = without_effectless(rest);
    if (rest == 0) {
      return true;
    }
    if (!seen_.insert(key(rest)).second) {
      return false;
    }
    const mask open = candidates(rest);
    for (std::size_t i = 0; i < operations_.size(); ++i) {
      if ((open >> i & 1) != 0 && place(rest, open, i)) {
        return true;
      }
    }
    return false;
  }

  // Operations that may come next: called before the first of the rest has returned.
  [[nodiscard]] mask candidates(mask rest) const {
    std::uint64_t first_return = ~std::uint64_t{0};
    for (std::size_t i = 0; i < operations_.size(); ++i) {
      if ((rest >> i & 1) != 0) {
        first_return = std::min(first_return, operations_[i].returned);
      }
    }
    mask open = 0;
    for (std::size_t i = 0; i < operations_.size(); ++i) {
      if ((rest >> i & 1) != 0 && operations_[i].invoked < first_return) {
        open |= mask{1} << i;
      }
    }
    return open;
  }

  [[nodiscard]] mask without_effectless(mask rest) const {
    for (;;) {
      const mask open = candidates(rest);
      mask next = rest;
      for (std::size_t i = 0; i < operations_.size(); ++i) {
        if ((open >> i & 1) != 0 && legal_without_effect(operations_[i])) {
          next &= ~(mask{1} << i);
        }
      }
      if (next == rest) {
        return rest;
      }
      rest = next;
    }
  }

  [[nodiscard]] bool legal_without_effect(const operation& one) const {
    const auto& arms = one.arms;
    switch (one.result) {
      case outcome::closed:
        if (one.chosen >= 0) {
          const arm& chosen = arms[static_cast<std::size_t>(one.chosen)];
          const channel_state& at = channels_[chosen.channel];
          return chosen.does == way::receive && at.closed && at.buffer.empty();
        }
        return std::any_of(arms.begin(), arms.end(),
                           [&](const arm& each) { return each.does == way::send && channels_[each.channel].closed; });
      case outcome::blocked:
        return one.waits != patience::endless && std::none_of(arms.begin(), arms.end(), [&](const arm& each) {
                 return channels_[each.channel].can_proceed(each.does);
               });
      case outcome::refused:
        return arms.front().does == way::close && channels_[arms.front().channel].closed;
      case outcome::canceled:
        return true;
      case outcome::done:
      case outcome::wrong:
        break;
    }
    return false;
  }

  // Tries operation i next, alone or with each partner.
  bool place(mask rest, mask open, std::size_t i) {
    const operation& one = operations_[i];
    if (one.result != outcome::done) {
      return false;
    }
    const arm& chosen = one.arms[static_cast<std::size_t>(one.chosen)];
    channel_state& at = channels_[chosen.channel];
    const mask left = rest & ~(mask{1} << i);
    switch (chosen.does) {
      case way::close:
        return !at.closed && (!one.at_standstill || nothing_moves(left, one.invoked)) &&
               on_copy(chosen.channel, left, [](channel_state& state) { state.closed = true; });
      case way::receive:
        return !at.buffer.empty() && at.buffer.front() == one.value &&
               on_copy(chosen.channel, left, [](channel_state& state) { state.buffer.pop_front(); });
      case way::send:
        if (at.closed) {
          return false;
        }
        if (at.capacity > 0) {
          return at.buffer.size() < at.capacity &&
                 on_copy(chosen.channel, left, [&](channel_state& state) { state.buffer.push_back(chosen.value); });
        }
        return meet(left, open, chosen);
    }
    return false;
  }

  // True when none of the operations of `left` that were called before `time` can proceed.
  [[nodiscard]] bool nothing_moves(mask left, std::uint64_t time) const {
    for (std::size_t i = 0; i < operations_.size(); ++i) {
      if ((left >> i & 1) == 0 || operations_[i].invoked > time) {
        continue;
      }
      for (const arm& mine : operations_[i].arms) {
        if (channels_[mine.channel].can_proceed(mine.does)) {
          return false;
        }
        for (std::size_t j = i + 1; j < operations_.size(); ++j) {
          if ((left >> j & 1) != 0 && operations_[j].invoked < time && meets(mine, operations_[j])) {
            return false;
          }
        }
      }
    }
    return true;
  }

  [[nodiscard]] static bool meets(const arm& mine, const operation& other) {
    return std::any_of(other.arms.begin(), other.arms.end(), [&mine](const arm& theirs) {
      return theirs.channel == mine.channel && theirs.does != mine.does;
    });
  }

  // A send on an unbuffered channel, with the receive that got its value.
  bool meet(mask left, mask open, const arm& send) {
    for (std::size_t j = 0; j < operations_.size(); ++j) {
      const operation& other = operations_[j];
      if ((open >> j & 1) == 0 || other.result != outcome::done || other.value != send.value) {
        continue;
      }
      const arm& chosen = other.arms[static_cast<std::size_t>(other.chosen)];
      if (chosen.does == way::receive && chosen.channel == send.channel && extend(left & ~(mask{1} << j))) {
        return true;
      }
    }
    return false;
  }

  template <class Change>
  bool on_copy(unsigned channel, mask left, Change change) {
    const channel_state before = channels_[channel];
    change(channels_[channel]);
    if (extend(left)) {
      return true;
    }
    channels_[channel] = before;
    return false;
  }

  [[nodiscard]] std::string key(mask rest) const {
    std::string result = std::to_string(rest);
    for (const channel_state& at : channels_) {
      result += at.closed ? '|' : ';';
      for (const std::uint64_t value : at.buffer) {
        result += std::to_string(value) + ' ';
      }
    }
    return result;
  }

  const std::vector<operation>& operations_;
  channel_states channels_;
  std::unordered_set<std::string> seen_;
};

}  // namespace

verdict linearize(const history& all) { return search(all).run(); }

}  // namespace csp_test
