// Where the process's signals come in for those who subscribed to some.
//
// A subscribed signal has a handler of ours, which counts it and rings an eventfd: that serves signals which some
// thread lets through. One that all threads block stays pending and is read from a signalfd. Whoever sees one of the
// two descriptors readable calls collect(), which hands what has come to all subscriptions.
//
// The descriptors live while somebody attends to them (attend, leave); a handler that is under way keeps the eventfd
// open. Signal numbers are at most 64 on Linux, so a set of them is one word.
#pragma once

#include "channel/channel.h"

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <mutex>
#include <vector>

namespace csp::inline v0::detail {

/// A set of signals: bit `number - 1`.
using signal_set = std::uint64_t;
[[nodiscard]] constexpr signal_set signal_bit(int number) noexcept { return signal_set{1} << (number - 1); }
inline constexpr int most_signals = 64;

/// One receiver of signals. Guarded by the hub's lock.
struct signal_subscription {
  channel<int>* target = nullptr;  // lives while subscribed
  signal_set wanted = 0;
  signal_set unsent = 0;  // came while the channel was full
};

class CSP_API signal_hub {
 public:
  [[nodiscard]] static signal_hub& instance();

  /// The calling party will look at the descriptors and collect(). Throws std::system_error.
  void attend();
  /// It will no longer.
  void leave() noexcept;
  [[nodiscard]] int bell() const noexcept { return bell_.load(std::memory_order_relaxed); }
  [[nodiscard]] int pending() const noexcept { return pending_; }

  /// Sends signals to `subscriber.target` from now on. Throws std::system_error for what cannot be caught; nothing has
  /// changed then. Needs an attendant.
  void subscribe(signal_subscription& subscriber);
  /// Ends that, if it has not ended, and closes the target; what nobody subscribes to any more is as before.
  void unsubscribe(signal_subscription& subscriber) noexcept;

  /// Hands on what has come. True when something of `own`'s could not be sent, for its channel is full.
  [[nodiscard]] bool collect(const signal_subscription& own) noexcept;

 private:
  signal_hub() = default;
  static void on_signal(int number) noexcept;
  void restore(int number) noexcept;
  void publish_wanted() noexcept;
  static void send(signal_subscription& subscriber, signal_set came) noexcept;

  std::mutex lock_;
  std::vector<signal_subscription*> subscribers_;        // guarded by lock_
  std::array<unsigned, most_signals> wanted_by_{};       // guarded by lock_
  std::array<struct sigaction, most_signals> before_{};  // guarded by lock_; where wanted_by_ is not 0
  unsigned attendants_ = 0;                              // guarded by lock_
  int pending_ = -1;                                     // a signalfd; written while nobody attends
  std::atomic<int> bell_{-1};                            // an eventfd; the same
  std::atomic<signal_set> raised_{0};                    // what handlers have seen
  std::atomic<unsigned> inside_handler_{0};
};

}  // namespace csp::inline v0::detail
