// What lies between simulated sockets: time, chance and partitions. Things happen at a time of the simulation's clock;
// how long they take, and what gets lost, is a choice of the seed.
//
// One timer of the scheduler stands for the earliest thing that is to happen, so virtual time passes to it. Things of
// the same time happen in the order in which they were planned.
#pragma once

#include "netio/sim/place.h"
#include "sched/base/clock.h"
#include "sched/timer_heap.h"

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace csp::inline v0::detail {
class simulation;
}

namespace csp::inline v0::detail::sim {

/// What has become of datagrams. Every one that was sent, or made by duplication, is in one of the other figures, or
/// under way.
struct datagram_counts {
  std::uint64_t sent = 0;
  std::uint64_t duplicated = 0;   // made beside those sent
  std::uint64_t reordered = 0;    // of both: held back, so that later ones may come first
  std::uint64_t arrived = 0;      // at a socket
  std::uint64_t lost = 0;         // by the loss rate
  std::uint64_t cut_off = 0;      // by a partition
  std::uint64_t unreachable = 0;  // nobody was there
  std::uint64_t overflowed = 0;   // the receiver had no room
};

/// What the test has set.
struct wire_settings {
  nanos shortest_latency = 100'000;
  nanos longest_latency = 1'000'000;
  double loss = 0;
  double duplication = 0;
  double reordering = 0;
  std::size_t window = 65'536;
};

class wire {
 public:
  /// What happened, in a trace.
  enum class event : std::uint64_t { connect, refuse, accept, segment, end, reset, resend, datagram, drop, cut, heal };

  explicit wire(simulation& simulated) noexcept;
  wire(const wire&) = delete;
  wire& operator=(const wire&) = delete;
  /// Nothing happens any more.
  ~wire();

  wire_settings settings;
  datagram_counts counts;

  [[nodiscard]] nanos now() const noexcept;
  /// Plans something; by the thread of the simulation, inside a step.
  void at(nanos when, std::function<void()> what);
  [[nodiscard]] timer& events() noexcept { return timer_; }

  // Choices; of all, the first is the quiet one (sched/sim/chooser.h).
  /// The shortest latency, or any up to the longest.
  [[nodiscard]] nanos latency();
  [[nodiscard]] bool happens(double rate);
  [[nodiscard]] std::uint32_t draw(std::uint32_t count);

  void cut(const host_address& a, const host_address& b);
  void heal(const host_address& a, const host_address& b);
  void heal_all();
  [[nodiscard]] bool is_cut(const host_address& a, const host_address& b) const;

  /// Notes what has happened. `from` and `to`: sockets' numbers in the simulation, or 0.
  void note(event what, std::uint64_t from, std::uint64_t to, std::uint64_t figure, const char* text);

 private:
  struct network_timer : timer {
    wire* owner = nullptr;
  };
  static void on_timer(timer& self, nanos now) noexcept;
  void run_due(nanos now);
  void set_timer();

  simulation& simulated_;
  network_timer timer_;
  bool running_ = false;  // inside run_due(), which sets the timer at its end
  std::uint64_t planned_ = 0;
  std::map<std::pair<nanos, std::uint64_t>, std::function<void()>> plan_;  // by time and order
  std::set<std::pair<host_address, host_address>> cuts_;                   // the lesser host first
};

}  // namespace csp::inline v0::detail::sim
