#include "sched/base/clock.h"

namespace csp::inline v0::detail {
namespace {

class steady_clock_source final : public clock_source {
 public:
  [[nodiscard]] nanos now() const noexcept override { return steady_now(); }
};

}  // namespace

nanos steady_now() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

const clock_source& steady_source() noexcept {
  static const steady_clock_source source;
  return source;
}

}  // namespace csp::inline v0::detail
