#include "sched/hibernator.h"

#include "sched/scheduler_core.h"

#include <algorithm>

namespace csp::inline v0::detail {
namespace {

constexpr nanos millisecond = 1'000'000;

}  // namespace

void hibernator::reset() noexcept {
  where_ = {};
  begun_ = dozed_through_ = young_ = settled_ = false;
}

nanos hibernator::due(nanos now) const noexcept {
  if (settled_ || !hibernation::instance().in_use() || core_.settings().hibernate_after == never) {
    return never;
  }
  // Between two rounds: a quarter of the delay, so that nobody sleeps much later than asked for.
  return begun_ ? now : add_saturating(now, std::max(core_.settings().hibernate_after / 4, millisecond));
}

void hibernator::work(nanos now, bool dozing) noexcept {
  hibernation& all = hibernation::instance();
  settled_ = settled_ && dozing;
  if (settled_ || !all.in_use() || core_.settings().hibernate_after == never) {
    return;
  }
  if (!begun_) {
    begun_ = dozed_through_ = true;
    young_ = false;
  }
  dozed_through_ = dozed_through_ && dozing;
  const auto after = static_cast<std::uint32_t>(core_.settings().hibernate_after / millisecond);
  hibernation::step_result found;
  bool more = true;
  do {
    more = all.step(core_, where_, after, found);
  } while (more && steady_now() - now < longest_part);
  young_ |= found.young;
  if (more) {
    return;
  }
  begun_ = false;
  settled_ = dozed_through_ && !young_;
  all.trim();
}

}  // namespace csp::inline v0::detail
