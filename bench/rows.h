// All rows that a C++ peer can run. The bodies are templates over the peer, so that libcsp and the others do the same
// work by construction; the Go twins in compare/go are written by hand: change them together.
//
// A peer is a struct of static functions and types, as in libcsp_peer.h:
//
//   run(m, fn)        runs fn in a task, on exactly m.processors() processors; returns when fn has
//   go(fn)            a detached task
//   group(n)          n tasks started by go(fn), whose end wait() awaits
//   gate              wait() by many tasks until one calls open(number of waiters)
//
// and what it has of these, as its users would write it (yield and recv_within are inlined, since a return more on the
// way would cost a switch as much again); rows that need what is missing are not in its list:
//
//   yield()           sleep_for(nanoseconds)          mutex: lock(), unlock()
//   unbuffered<T>     buffered<T>(capacity)           handles; send(v), recv() -> optional, close()
//   recv_within(ch, nanoseconds)                      a receive that gives up
//   drain(channels, items)                            the sum of what a select over all channels received
//   inbox             submit(fn) from a thread that is not the peer's
#pragma once

#include <vector>

#include "bench/harness.h"
#include "bench/rows_channel.h"
#include "bench/rows_latency.h"
#include "bench/rows_parallel.h"
#include "bench/rows_programs.h"
#include "bench/rows_resources.h"
#include "bench/rows_select.h"
#include "bench/rows_switch.h"

namespace bench {

template <class P>
std::vector<row> all_rows() {
  std::vector<row> rows;
  for (auto theme : {switch_rows<P>, channel_rows<P>, select_rows<P>, program_rows<P>, parallel_rows<P>,
                     latency_rows<P>, resource_rows<P>}) {
    const std::vector<row> more = theme();
    rows.insert(rows.end(), more.begin(), more.end());
  }
  return rows;
}

}  // namespace bench
