// The network of a simulation (libcsp/testing.h). In its tasks the sockets of csp::net are simulated: streams and
// datagrams travel between hosts in virtual time, and how long that takes, where segments begin, and what is lost is
// the seed's choice. This header is how a test says what the network is like.
//
//   csp::testing::explore(1000, [] {
//     csp::testing::network network;
//     network.set_latency(1ms, 20ms);
//     network.name("db", {csp::net::address::parse("10.0.0.1", 0).value()});
//     auto server = csp::net::listener::bind("10.0.0.1", 5432).value();    // a host is an address
//     csp::go([&] { serve(server); });
//     const csp::testing::host client("10.0.0.2");                         // from here on as this one
//     auto connection = csp::net::connect("db", 5432).value();
//     network.partition("10.0.0.1", "10.0.0.2");
//     ...
//   });
//
// Hosts. Every IPv4 or IPv6 address is a host, and binding to it puts a socket there, from any task. A task is on a
// host as well, network::home unless it says otherwise: from there it connects, and there are its sockets that are
// bound to a loopback address, or to none. Loopback addresses (127.0.0.0/8 and ::1) are no hosts: they mean one's own.
//
// Streams, tcp. Bytes arrive in order, in segments that have little to do with the writes. A write may be short. A
// writer is ahead of its reader by a window at the most, and then waits. Errors are Linux's: connection_refused where
// nobody listens, connection_reset, broken_pipe, address_in_use, timed_out after the retries of tcp(7); a full backlog
// lets the request wait for its next try. What a partition stops is sent again, after 200 ms and then twice as long
// each time (a request to connect after 1 s), so it comes some time after heal(). There is no keep-alive.
//
// Streams, unix, by path and net::pair(). The same without latency; reads may be short too. A path is no file: it goes
// with its listener.
//
// Datagrams. Each arrives after its latency, those of one socket in order, unless the rates say otherwise; what arrives
// at nobody is lost without an error. Up to 65,507 bytes; a receiver holds 212,992 bytes.
//
// What is under way when the main task ends is dropped. A task that waits for what can never come is part of a
// deadlock.
#pragma once

#include <libcsp/net.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace csp::inline v0 {

namespace detail::sim {
class simulated_network;
}

namespace testing {

/// While it lives, the task that made it is on another host; and so are the tasks that it spawns meanwhile, for good.
/// Of several the last one counts. To be destroyed by the task that made it.
class CSP_API host {
 public:
  /// `address`: IPv4 or IPv6, as text. An IPv4 host reaches IPv6 addresses too, and has its mapped address there; an
  /// IPv6 host that connects to an IPv4 address gets network_unreachable. \throws std::invalid_argument for what is no
  /// address, or a loopback address; std::logic_error outside a simulation
  [[nodiscard]] explicit host(std::string_view address);
  ~host();
  host(const host&) = delete;
  host& operator=(const host&) = delete;

 private:
  std::uint32_t before_ = 0;
};

/// What has become of datagrams. sent + duplicated == arrived + lost + cut_off + unreachable + overflowed + those that
/// are under way.
struct datagram_counts {
  std::uint64_t sent = 0;
  std::uint64_t duplicated = 0;   ///< made beside those sent
  std::uint64_t reordered = 0;    ///< held back, so that later ones may come first; of those sent and duplicated
  std::uint64_t arrived = 0;      ///< at a socket, whether it was read or not
  std::uint64_t lost = 0;         ///< by the rate of loss
  std::uint64_t cut_off = 0;      ///< by a partition
  std::uint64_t unreachable = 0;  ///< no socket was there, or one that is connected elsewhere
  std::uint64_t overflowed = 0;   ///< the receiver had no room
};

/// The network of the calling task's simulation. A handle: it may be copied, and goes with the simulation. Its
/// functions are for tasks of the simulation; none of them waits, none is a cancellation point, and none fails unless
/// it says so.
class CSP_API network {
 public:
  /// The host of tasks that have not said another: one of the addresses that are reserved for examples (RFC 5737).
  static constexpr std::string_view home = "192.0.2.1";

  /// \throws std::logic_error outside a simulation
  network();

  /// How long anything takes between two sockets, those of one host included: at least `shortest`, at most `longest`;
  /// 100 us to 1 ms at first. For what is sent from now on. \throws std::invalid_argument unless
  /// 0 <= shortest <= longest
  void set_latency(std::chrono::nanoseconds shortest, std::chrono::nanoseconds longest);
  /// How many of all datagrams are lost, come twice, or are held back for up to four of the longest latencies (at least
  /// for milliseconds); 0 at first. Each from 0 to 1. \throws std::invalid_argument for another rate
  void set_loss(double rate);
  void set_duplication(double rate);
  void set_reordering(double rate);
  /// Bytes that a writer of a stream may be ahead of its reader; 65,536 at first. \throws std::invalid_argument for 0
  void set_window(std::size_t bytes);

  /// From now on nothing arrives that goes from one of two hosts to the other. \throws std::invalid_argument for what
  /// is no address of a host, as the others with hosts do
  void partition(std::string_view a, std::string_view b);
  /// Ends that.
  void heal(std::string_view a, std::string_view b);
  /// Ends all partitions.
  void heal();

  /// A connection breaks: both ends get connection_reset, once what has arrived was read; what is under way is lost.
  /// False when `end` is not connected (any more).
  bool reset(const net::stream& end);
  /// The same for all connections between two hosts.
  void reset(std::string_view a, std::string_view b);

  /// What net::resolve, and so net::connect, finds for a name: these addresses, with the port that is asked for; the
  /// resolver's "name not known" when there are none. Replaces what the name had. A name that was never given any, but
  /// for "localhost", is refused and fails the simulation; so is a service that is not a number.
  void name(std::string_view name, const std::vector<net::address>& addresses);

  /// What has become of datagrams so far.
  [[nodiscard]] datagram_counts datagrams() const;

 private:
  detail::sim::simulated_network* target_;
};

}  // namespace testing
}  // namespace csp::inline v0
