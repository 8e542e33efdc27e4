// A planted mistake: one place of the shipped source where an atomic operation is done otherwise than it stands there.
//
// The place is named by its text, which is looked up in the source when the test runs: a mutant whose text is not
// there, or is never executed, fails its test.
#pragma once

#include "test/model/operation.h"

#include <string>

namespace model {

enum class mistake : std::uint8_t {
  relax,  // the memory order becomes relaxed; a fence is left out
  omit,   // a store, the change of a read-modify-write, a fence or a lock is left out
  delay,  // a store comes after the next atomic operation of its thread
  tear,   // a read-modify-write becomes a load and then a store
};

struct mutant {
  const char* file;  // from the root of the project
  const char* text;  // in one line of that file, or in the line where the statement begins
  mistake what;
  unsigned occurrence = 0;  // of several lines with the same text, from 1; 0: there is only one
};

/// The lines of a mutant's statement in its source.
class mutant_site {
 public:
  /// Says in `problem()` why the place was not found.
  explicit mutant_site(const mutant& planted);

  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }
  [[nodiscard]] mistake what() const noexcept { return planted_.what; }
  /// True for an operation of this place that the mistake can be made in.
  [[nodiscard]] bool matches(const operation& each) const noexcept;

 private:
  mutant planted_;
  int first_ = 0;
  int last_ = 0;
  std::string problem_;
};

[[nodiscard]] const char* describe(mistake what) noexcept;

}  // namespace model
