// Where a simulation's choices come from: a seed and a strategy, or a schedule that is replayed.
//
// Every choice is one of `count` alternatives, of which 0 is the quiet one: go on with the same processor, let nobody
// in between, take what was made ready last. A run is then told by the choices that were not 0, which is what a
// schedule holds; with fewer of them it is easier to read, and shortening a schedule means setting some to 0.
//
// Fairness: whatever the strategy, and with quiet choices too, nobody who is able to go on is passed over for ever. A
// task that looks at a flag in a loop, with a yield or a point() in it, sees that it was set; a run that has no end has
// none because of the program.
//
// Strategies: a random walk chooses each time anew. PCT gives each processor a priority and lowers that of the running
// one at a few random moments; a bug that needs d moments is found with a probability of at least 1/(n * k^(d-1)), for
// n processors and k steps (Burckhardt et al., "A randomized scheduler with probabilistic guarantees of finding bugs",
// ASPLOS 2010).
#pragma once

#include "sched/base/random.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace csp::inline v0::detail {

enum class search_strategy : std::uint8_t { random_walk, priorities };

/// The choices of a run that were not the quiet ones, in their order.
struct schedule {
  struct entry {
    std::uint32_t at = 0;     // which choice
    std::uint32_t value = 0;  // and its outcome, above 0
    friend bool operator==(const entry&, const entry&) = default;
  };
  std::vector<entry> entries;

  /// As text: "12:1,40:2".
  [[nodiscard]] std::string text() const;
  /// The reverse; nothing for a text that is none.
  [[nodiscard]] static std::optional<schedule> parse(std::string_view text);
};

class chooser {
 public:
  /// Draws from the seed.
  chooser(std::uint64_t seed, search_strategy strategy);
  /// Replays: what the schedule does not name is quiet.
  explicit chooser(const schedule& replayed);

  /// The next processor to make a step; `able` is not empty and sorted, `last` made the last step.
  [[nodiscard]] unsigned next_processor(std::span<const unsigned> able, unsigned last);
  /// True when others are let in at a point where the running task could go on.
  [[nodiscard]] bool preempts();
  /// True when one of two queues is to be preferred against the rule.
  [[nodiscard]] bool inverts();

  /// A choice of the surroundings, such as what becomes of a packet: one of [0, count), count > 0; 0 is the quiet one.
  [[nodiscard]] std::uint32_t draw(std::uint32_t count);
  /// The same for something that happens with a probability of `rate`; false is the quiet one.
  [[nodiscard]] bool happens(double rate);

  /// What was chosen so far.
  [[nodiscard]] const schedule& chosen() const noexcept { return chosen_; }
  /// From here on every choice is the quiet one, and not noted.
  void be_quiet() noexcept { quiet_ = true; }

 private:
  std::uint32_t note(std::uint32_t value);
  [[nodiscard]] bool replaying() const noexcept { return replayed_ != nullptr; }
  [[nodiscard]] std::uint32_t replay(std::uint32_t count);
  [[nodiscard]] bool changes_priority();
  /// The position in `able` of the one with the highest priority. `unfair`: it has had that for too long.
  [[nodiscard]] std::uint32_t choose_by_priority(std::span<const unsigned> able, bool unfair);
  /// The position in `able` of the processor that was passed over too often; nothing when there is none.
  [[nodiscard]] std::optional<std::uint32_t> starved(std::span<const unsigned> able);
  /// Notes who of `able` was passed over.
  void count_passes(std::span<const unsigned> able, unsigned chosen);
  [[nodiscard]] std::uint32_t& priority_of(unsigned processor);

  random_source random_;
  random_source surroundings_;  // apart, so that they do not change what the tasks' choices are drawn
  const search_strategy strategy_ = search_strategy::random_walk;
  const schedule* const replayed_ = nullptr;
  std::size_t next_entry_ = 0;  // of the replayed schedule
  std::uint32_t choices_ = 0;
  schedule chosen_;
  bool quiet_ = false;
  std::vector<std::uint32_t> passes_;  // by processor: how often it was passed over in a row
  std::uint32_t points_ = 0;           // at which the running task went on, in a row

  std::uint32_t preempt_one_in_ = 4;       // random walk
  std::uint32_t steps_ = 0;                // priorities: moments so far
  std::vector<std::uint32_t> changes_;     // the moments at which the running processor's priority falls
  std::uint32_t lowest_ = 0x8000'0000;     // the next priority to give to one that falls
  std::vector<std::uint32_t> priorities_;  // by processor; 0: none yet
};

}  // namespace csp::inline v0::detail
