#include "netio/sim/wire.h"

#include "sched/base/tls.h"
#include "sched/processor.h"
#include "sched/sim/simulation.h"

#include <algorithm>

namespace csp::inline v0::detail::sim {
namespace {

/// Latencies are drawn in so many steps: fine enough for any order of events, and a small number in a schedule.
constexpr std::uint32_t latency_steps = 64;

[[nodiscard]] std::pair<host_address, host_address> sorted(const host_address& a, const host_address& b) {
  return {std::min(a, b), std::max(a, b)};
}

}  // namespace

wire::wire(simulation& simulated) noexcept : simulated_(simulated) {
  timer_.owner = this;
  timer_.fire = &on_timer;
}

wire::~wire() {
  if (timer_.heap != nullptr) {
    static_cast<void>(timer_.heap->disarm(timer_));
  }
}

nanos wire::now() const noexcept { return simulated_.now(); }

void wire::at(nanos when, std::function<void()> what) {
  plan_.emplace(std::pair(std::max(when, now()), ++planned_), std::move(what));
  set_timer();
}

void wire::set_timer() {
  const nanos due = plan_.empty() || running_ ? never : plan_.begin()->first.first;
  const bool armed = timer_.heap != nullptr && timer_.armed.load(std::memory_order_relaxed);
  if (armed && timer_.when == due) {
    return;
  }
  if (armed) {
    static_cast<void>(timer_.heap->disarm(timer_));
  }
  if (due != never) {
    timer_.when = due;
    this_processor()->timers.arm(timer_);
  }
}

void wire::on_timer(timer& self, nanos now) noexcept {
  if (now != never) {
    static_cast<network_timer&>(self).owner->run_due(now);
  }
}

void wire::run_due(nanos now) {
  running_ = true;
  while (!plan_.empty() && plan_.begin()->first.first <= now) {
    const auto next = plan_.extract(plan_.begin());
    next.mapped()();
  }
  running_ = false;
  set_timer();
}

nanos wire::latency() {
  const nanos range = std::max<nanos>(settings.longest_latency - settings.shortest_latency, 0);
  return settings.shortest_latency + (range == 0 ? 0 : range / (latency_steps - 1) * draw(latency_steps));
}

bool wire::happens(double rate) { return simulated_.choices().happens(rate); }

std::uint32_t wire::draw(std::uint32_t count) { return simulated_.choices().draw(count); }

void wire::cut(const host_address& a, const host_address& b) {
  cuts_.insert(sorted(a, b));
  note(event::cut, a.digest(), b.digest(), 1, "cut");
}

void wire::heal(const host_address& a, const host_address& b) {
  cuts_.erase(sorted(a, b));
  note(event::heal, a.digest(), b.digest(), 1, "healed");
}

void wire::heal_all() {
  cuts_.clear();
  note(event::heal, 0, 0, 0, "healed everywhere");
}

bool wire::is_cut(const host_address& a, const host_address& b) const { return cuts_.contains(sorted(a, b)); }

void wire::note(event what, std::uint64_t from, std::uint64_t to, std::uint64_t figure, const char* text) {
  simulated_.events().note(trace::event::network, {static_cast<std::uint64_t>(what), from, to, figure});
  if (simulated_.events().is_verbose()) {
    simulated_.events().print(std::string("network: ") + text + ", " + std::to_string(from) + " to " +
                              std::to_string(to) + ", " + std::to_string(figure));
  }
}

}  // namespace csp::inline v0::detail::sim
