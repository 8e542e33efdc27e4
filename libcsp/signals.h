// Signals as values on a channel, after Go's os/signal.
//
//   auto stop = csp::signals({SIGINT, SIGTERM});
//   csp::select(csp::on_recv(stop, [](std::optional<int> number) { ... }), ...);
#pragma once

#include <libcsp/chan.h>

#include <csignal>
#include <initializer_list>
#include <span>

namespace csp::inline v0 {

/// A channel on which the number of each of these signals is sent when the process gets one. While any such receiver
/// lives, the signals do not do what they did before (end the program, say); when the last one that asks for a signal
/// has gone, its former disposition is back. Every receiver that asks for a signal gets it.
///
/// As for the system's own, several of one number that nobody has received yet may count as one. It does not matter
/// which threads block the signals: what all block is taken from a signalfd(2), what a thread lets through arrives by a
/// handler (SA_RESTART). Signals that are sent to a thread (raise(3), pthread_kill(3)) arrive if that thread does not
/// block them; libcsp's threads do. Costs nothing while no signal comes.
///
/// The work is done by a task of the caller's scheduler: when that stops, the channel is closed. Any task; a plain
/// thread while csp::run is at work. \throws std::logic_error else; std::invalid_argument for no signal, one that does
/// not exist, cannot be caught, or tells of a fault of the running code (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP,
/// SIGSYS); std::system_error (EMFILE ...); std::bad_alloc
[[nodiscard]] CSP_API receiver<int> signals(std::span<const int> numbers);
[[nodiscard]] inline receiver<int> signals(std::initializer_list<int> numbers) {
  return signals(std::span<const int>(numbers.begin(), numbers.size()));
}

}  // namespace csp::inline v0
