// The load of the echo rows: one thread that keeps a number of messages under way on each of many connections and
// compares every byte that comes back.
//
// It is a closed loop: an answer is what lets the next message go. So a server that is slow gets fewer messages, and
// the times are those of a client that waits, not of one that sends at a fixed rate.
//
// The thread never sleeps: it asks epoll without waiting, and yields when there is nothing, to the kernel's own threads
// on this core. A client that slept would have to be woken by the server's write, which on many machines costs more
// than the write, and a slower server would pay that more often.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>

#include "bench/net/histogram.h"

namespace bench::net {

struct load_plan {
  std::uint16_t port = 0;  // on 127.0.0.1
  int connections = 1;
  int outstanding = 1;  // messages under way on each connection, at most max_outstanding
  // Either so many messages on each connection, all of them measured; or 0, and what comes within `window` after
  // `warm_up` is measured.
  std::int64_t messages_each = 0;
  std::chrono::nanoseconds warm_up{0};
  std::chrono::nanoseconds window{0};
  pid_t server = 0;  // whose CPU time is measured; 0: none
};

// So that all messages of a connection fit into the smallest socket buffers and no write is ever cut short.
inline constexpr int max_outstanding = 64;

struct load_result {
  std::int64_t requests = 0;
  std::chrono::nanoseconds wall{0};
  std::chrono::nanoseconds server_cpu{0};
  histogram latency;
  double least_share = 0;  // the answers on the connection that got fewest, as a share of the mean
};

// Connects, runs the plan, waits for the answers that are under way, sends the end of each stream and waits for the
// server's. Blocks for the plan's time plus at most a few seconds.
// Throws std::runtime_error: a wrong or missing answer, a server that went away or was silent for 5 s, no connection.
load_result run_load(const load_plan& plan);

}  // namespace bench::net
