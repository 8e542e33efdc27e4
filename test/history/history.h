// What several actors did with a few channels, and when: the record that the linearizer judges.
//
// Every operation is a set of arms of which at most one happens. A plain send is a select with one arm, a try form one
// with a default, a close an arm of its own kind; so one rule judges all spellings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace csp_test {

/// What an arm does.
enum class way : std::uint8_t { send, receive, close };

struct arm {
  way does = way::receive;
  unsigned channel = 0;
  std::uint64_t value = 0;  ///< what a send offers; no two arms of a history offer the same
};

/// What an operation does when no arm can proceed.
enum class patience : std::uint8_t {
  endless,  ///< waits
  at_once,  ///< gives up: the try forms, a default arm
  limited,  ///< waits for a time
};

/// How an operation came out.
enum class outcome : std::uint8_t {
  done,      ///< the chosen arm happened; a close that was the first
  closed,    ///< a receive arm met the end of its channel, or some send arm met a closed one
  blocked,   ///< no arm could proceed, at once or for the time given
  canceled,  ///< the actor was asked to end
  refused,   ///< a close of a closed channel
  wrong,     ///< an answer that this operation must never give
};

struct operation {
  unsigned actor = 0;
  std::vector<arm> arms;
  patience waits = patience::endless;
  /// Of a close: it came when all who had called waited, and nothing but it could help them.
  bool at_standstill = false;

  // Stamps of one counter that all actors share: the operation took place somewhere between the two.
  std::uint64_t invoked = 0;
  std::uint64_t returned = 0;

  outcome result = outcome::wrong;
  int chosen = -1;          ///< of the arms; -1 when none, or when it was a send arm that met a closed channel
  std::uint64_t value = 0;  ///< what was received
};

struct history {
  std::vector<std::size_t> capacities;  ///< of the channels
  std::vector<operation> operations;    ///< all have returned; at most 64
};

/// One line for each operation, by their beginnings.
std::string describe(const history& all);

}  // namespace csp_test
