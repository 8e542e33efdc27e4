// Judges a history: is there an order of its operations, each placed between its invocation and its return, that a Go
// channel allows? After Wing and Gong (1993), with Lowe's memory of what was tried.
//
// The model of one channel
// - A buffered channel is a queue. A send is done when there is room, a receive when there is a value. A value handed
//   straight to a receiver that waits is a send and a receive in a row; one that waits at a full buffer is sent right
//   after the receive that makes room. So neither needs a rule of its own.
// - On an unbuffered channel a send and a receive are done at one point, which both intervals hold.
// - After a close, sends meet a closed channel, and so do receives once the buffer is empty.
// - An operation that gave up is placed at a point where none of its arms could proceed, all looked at together. On an
//   unbuffered channel that is any point before the close: whether a partner that had been called had begun to wait
//   cannot be told from outside, so two that only try may miss each other, as in Go.
// - At a standstill no operation that was called before, and is not done, can proceed, alone or with another one: what
//   can be is done in time.
// - Who of those that wait is served first is not judged here.
#pragma once

#include "test/history/history.h"

namespace csp_test {

struct verdict {
  bool linearizable = false;
  std::size_t states = 0;  ///< how many were looked at
};

verdict linearize(const history& all);

}  // namespace csp_test
