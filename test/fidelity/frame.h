// The frame of the differential fidelity test: what a probe is, and how its outcome becomes text.
//
// A probe makes calls of libc and notes all that a program could see of them. The same probes run in several ways
// (stage.h), each in a process of its own, and `compare` demands that the texts are equal. So a text must be
// deterministic: no port, process id, file descriptor number or time stands in it as it is.
#pragma once

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace fidelity {

/// What errno holds before each call: no error's number, so that a write is seen.
constexpr int errno_before = 4321;

/// What one call returned, and errno after it.
struct result {
  long value = 0;
  int error = errno_before;
};

/// Calls `function()` with a prepared errno. Not inlined: a probe's frame, which may wait for its peer between two
/// calls and go on on another thread, must not keep the address of errno.
template <class F>
[[gnu::noinline]] result call(F&& function) {
  errno = errno_before;
  const auto value = static_cast<long>(function());
  return {value, errno};
}

/// Collects the text of one probe.
class outcome {
 public:
  /// Appends "what=text".
  outcome& note(std::string_view what, const std::string& text);
  /// The same for a call: the value, the error's name after a failure, and errno if a success has written it.
  outcome& note(std::string_view what, result of_call);
  /// For a call that returns a file descriptor: the number does not matter.
  outcome& note_fd(std::string_view what, result of_call);
  /// For a call that returns some bytes of many, where how many is the kernel's business: "none", "part" or "all".
  outcome& note_part(std::string_view what, result of_call, std::size_t whole);
  outcome& note(std::string_view what, bool holds) { return note(what, std::string(holds ? "yes" : "no")); }
  outcome& note(std::string_view what, const char* text) { return note(what, std::string(text)); }

  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// Where a probe makes sense.
enum class where {
  everywhere,
  threads_only,  ///< not in a task: it is about signals sent to the calling thread
};

struct probe {
  std::string name;
  std::function<void(outcome&)> run;
  where place = where::everywhere;
};

/// All probes, in the order in which they run.
class probe_list {
 public:
  void add(std::string name, std::function<void(outcome&)> run, where place = where::everywhere);
  [[nodiscard]] const std::vector<probe>& all() const { return probes_; }

 private:
  std::vector<probe> probes_;
};

/// The time that a call took, told coarsely.
class stopwatch {
 public:
  /// "before the timeout", "after the timeout", or "late" when more than a second was over it.
  [[nodiscard]] std::string against(std::chrono::milliseconds timeout) const;

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// The same number; what it is the compiler cannot know, so it does not complain of wrong arguments.
int opaque(int number);

/// The name of an error, such as EAGAIN.
std::string error_name(int error);
/// Bytes as text; long ones as their number and a checksum.
std::string bytes_text(std::string_view bytes);
/// `size` bytes in which each place is recognisable.
std::string pattern(std::size_t size);

}  // namespace fidelity
