// Runs a scenario and records its history. The calling task or plain thread supervises; the actors run as the starter
// makes them run. Time and waiting are libcsp's alone, so a simulator can run it too.
#pragma once

#include "test/history/history.h"
#include "test/history/scenario.h"

#include <libcsp/csp.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace csp_test {

using history_channels = std::vector<csp::chan<std::uint64_t>>;

/// Runs actor `index` some time, in a task or a thread. Who starts threads joins them after run_history.
using starter = std::function<void(unsigned index, std::function<void()> actor)>;

/// Does a step on the channels and fills in result, chosen and value. perform() is the true one.
using performer = std::function<void(const history_channels& channels, const step& how, operation& what)>;

void perform(const history_channels& channels, const step& how, operation& what);

/// When nothing ends for a while the channels are closed, so that who waits in vain comes back (in a simulation this is
/// known to be a standstill); at the end what is left
/// in the buffers is received. Both are in the history, as the last actor's. A balanced scenario is left to itself; one
/// that has not ended after a minute ends the program and names its seed.
history run_history(const scenario& plan, const starter& start, const performer& act = perform);

}  // namespace csp_test
