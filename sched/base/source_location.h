// Where a task was spawned. std::source_location where the compiler has it (clang 14 with libstdc++ 12 has not), else
// the same by the builtins that it is made from.
#pragma once

#include "sched/base/atomic.h"
#include "sched/base/relaxed.h"

#include <version>

#if defined(__cpp_lib_source_location)
#include <source_location>
#endif

namespace csp::inline v0 {

#if defined(__cpp_lib_source_location)
using source_location = std::source_location;
#else
class source_location {
 public:
  static constexpr source_location current(const char* file = __builtin_FILE(),
                                           const char* function = __builtin_FUNCTION(),
                                           unsigned line = __builtin_LINE()) noexcept {
    source_location result;
    result.file_ = file;
    result.function_ = function;
    result.line_ = line;
    return result;
  }
  [[nodiscard]] constexpr const char* file_name() const noexcept { return file_; }
  [[nodiscard]] constexpr const char* function_name() const noexcept { return function_; }
  [[nodiscard]] constexpr unsigned line() const noexcept { return line_; }

 private:
  const char* file_ = "";
  const char* function_ = "";
  unsigned line_ = 0;
};
#endif

namespace detail {

/// A source location that one thread at a time writes and others may glance at, as a `relaxed`: the standard's is one
/// pointer. Of one in parts a glance may find parts of two.
#if defined(__cpp_lib_source_location)
using relaxed_location = relaxed<source_location>;
static_assert(sizeof(relaxed_location) == sizeof(void*));
#else
class relaxed_location {
 public:
  [[nodiscard]] source_location get() const noexcept {
    return source_location::current(file_.get(), function_.get(), line_.get());
  }
  void set(source_location where) noexcept {
    file_.set(where.file_name());
    function_.set(where.function_name());
    line_.set(where.line());
  }

 private:
  relaxed<const char*> file_{""};
  relaxed<const char*> function_{""};
  relaxed<unsigned> line_;
};
#endif

}  // namespace detail
}  // namespace csp::inline v0
