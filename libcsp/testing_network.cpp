#include <libcsp/testing_network.h>

#include "netio/sim/simulated_network.h"
#include "sched/base/tls.h"
#include "sched/processor.h"

#include <stdexcept>
#include <string>

namespace csp::inline v0::testing {
namespace {

using detail::sim::host_address;
using detail::sim::simulated_network;

[[nodiscard]] simulated_network& network_here() {
  // A simulation that this library makes has no other kind.
  auto* const found = static_cast<simulated_network*>(detail::network_of_caller());
  if (found == nullptr) {
    throw std::logic_error("csp::testing: there is a network in the tasks of a simulation only");
  }
  return *found;
}

[[nodiscard]] host_address host_in(std::string_view text) {
  const auto parsed = net::address::parse(text, 0);
  const auto where = parsed ? detail::sim::place::from_native(parsed->native(), parsed->native_length()) : std::nullopt;
  if (!where || where->address.is_any() || where->address.is_loopback()) {
    throw std::invalid_argument("csp::testing: '" + std::string(text) + "' is not the address of a host");
  }
  return where->address;
}

[[nodiscard]] double checked_rate(double rate) {
  if (!(rate >= 0 && rate <= 1)) {
    throw std::invalid_argument("csp::testing::network: a rate is from 0 to 1");
  }
  return rate;
}

}  // namespace

host::host(std::string_view address) {
  simulated_network& net = network_here();
  detail::task& self = *detail::this_processor()->current();
  before_ = self.host;
  self.host = net.number_of(host_in(address));
}

host::~host() { detail::this_processor()->current()->host = before_; }

network::network() : target_(&network_here()) {}

void network::set_latency(std::chrono::nanoseconds shortest, std::chrono::nanoseconds longest) {
  if (shortest.count() < 0 || longest < shortest) {
    throw std::invalid_argument("csp::testing::network: a latency is from 0 on, and the longest is not the shorter");
  }
  target_->world.settings.shortest_latency = shortest.count();
  target_->world.settings.longest_latency = longest.count();
}

void network::set_loss(double rate) { target_->world.settings.loss = checked_rate(rate); }

void network::set_duplication(double rate) { target_->world.settings.duplication = checked_rate(rate); }

void network::set_reordering(double rate) { target_->world.settings.reordering = checked_rate(rate); }

void network::set_window(std::size_t bytes) {
  if (bytes == 0) {
    throw std::invalid_argument("csp::testing::network: a window of 0 bytes");
  }
  target_->world.settings.window = bytes;
}

void network::partition(std::string_view a, std::string_view b) { target_->world.cut(host_in(a), host_in(b)); }

void network::heal(std::string_view a, std::string_view b) { target_->world.heal(host_in(a), host_in(b)); }

void network::heal() { target_->world.heal_all(); }

bool network::reset(const net::stream& end) { return target_->reset(end.native_handle()); }

void network::reset(std::string_view a, std::string_view b) { target_->sockets.reset_between(host_in(a), host_in(b)); }

void network::name(std::string_view name, const std::vector<net::address>& addresses) {
  std::vector<sockaddr_storage> natives;
  for (const net::address& each : addresses) {
    sockaddr_storage native{};
    std::memcpy(&native, each.native(), std::min<std::size_t>(sizeof native, each.native_length()));
    natives.push_back(native);
  }
  target_->set_name(std::string(name), std::move(natives));
}

datagram_counts network::datagrams() const {
  const detail::sim::datagram_counts& all = target_->world.counts;
  return {all.sent, all.duplicated, all.reordered, all.arrived, all.lost, all.cut_off, all.unreachable, all.overflowed};
}

}  // namespace csp::inline v0::testing
