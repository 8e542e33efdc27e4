// Defects of unbuffered channels and select: values that are lost, partners that miss each other.
//
// Planted
// - overwritten_value: a sender that has waited for the empty slot does not look again; another may have filled it.
// - selects_never_meet: a select looks for a partner, and registers later without looking again.
// - loser_stays_registered: a select that one channel has served is served again by the other one: a value is lost.
#pragma once

#include "test/sim/corpus/corpus.h"

#include <array>
#include <deque>

namespace csp_test::corpus {

/// One slot through which senders hand values to a receiver.
class handoff_slot {
 public:
  explicit handoff_slot(form shape) : shape_(shape) {}

  void send(int value) {
    std::unique_lock guard(lock_);
    if (shape_ == form::planted) {
      if (full_) changed_.wait(guard);
    } else {
      changed_.wait(guard, [&] { return !full_; });
    }
    value_ = value;
    full_ = true;
    changed_.notify_all();
  }

  int receive() {
    std::unique_lock guard(lock_);
    changed_.wait(guard, [&] { return full_; });
    full_ = false;
    changed_.notify_all();
    return value_;
  }

 private:
  const form shape_;
  csp::mutex lock_;
  csp::condition_variable changed_;
  bool full_ = false;
  int value_ = 0;
};

inline void overwritten_value(form shape) {
  handoff_slot slot(shape);
  int sum = 0;
  together([&] { slot.send(1); }, [&] { slot.send(2); }, [&] { slot.send(4); },
           [&] {
             for (int i = 0; i < 3; ++i) sum += slot.receive();
           });
  check(sum == 7, "each value was received once");
}

/// Where a select that sends and one that receives find each other.
class meeting_point {
 public:
  enum side : std::size_t { sends, receives };

  explicit meeting_point(form shape) : shape_(shape) {}

  void meet(side mine) {
    std::unique_lock guard(lock_);
    if (wake_partner(mine)) {
      return;
    }
    if (shape_ == form::planted) {
      guard.unlock();
      point();
      guard.lock();
    }
    const auto self = std::make_shared<sleeper>();
    waiting_[mine] = self;
    guard.unlock();
    self->sleep();
  }

 private:
  bool wake_partner(side mine) {
    const auto partner = std::exchange(waiting_[mine == sends ? receives : sends], nullptr);
    if (partner == nullptr) {
      return false;
    }
    partner->wake();
    return true;
  }

  const form shape_;
  csp::mutex lock_;
  std::array<sleeper_pointer, 2> waiting_;
};

inline void selects_never_meet(form shape) {
  meeting_point channel(shape);
  together([&] { channel.meet(meeting_point::sends); }, [&] { channel.meet(meeting_point::receives); });
}

/// Two channels and the selects that receive from both.
class selectable_pair {
 public:
  explicit selectable_pair(form shape) : shape_(shape) {}

  void send(std::size_t channel, int value) {
    const std::lock_guard guard(lock_);
    auto& receivers = channels_[channel].receivers;
    while (!receivers.empty()) {
      const auto receiver = std::move(receivers.front());
      receivers.pop_front();
      // A select that is decided was served by its other channel.
      if (shape_ == form::correct && receiver->decided) continue;
      receiver->decided = true;
      receiver->value = value;
      receiver->wake();
      return;
    }
    channels_[channel].values.push_back(value);
  }

  /// The next value of either.
  int select() {
    std::unique_lock guard(lock_);
    for (auto& each : channels_) {
      if (!each.values.empty()) {
        const int value = each.values.front();
        each.values.pop_front();
        return value;
      }
    }
    const auto self = std::make_shared<selecting>();
    for (auto& each : channels_) each.receivers.push_back(self);
    guard.unlock();
    self->sleep();
    guard.lock();
    return self->value;
  }

 private:
  struct selecting : sleeper {
    bool decided = false;
    int value = 0;
  };
  struct side {
    std::deque<std::shared_ptr<selecting>> receivers;
    std::deque<int> values;
  };

  const form shape_;
  csp::mutex lock_;
  std::array<side, 2> channels_;
};

inline void loser_stays_registered(form shape) {
  selectable_pair pair(shape);
  int sum = 0;
  together([&] { pair.send(0, 1); }, [&] { pair.send(1, 2); },
           [&] {
             sum += pair.select();
             sum += pair.select();
           });
  check(sum == 3, "both values were received");
}

}  // namespace csp_test::corpus
