#include "sched/hibernator.h"

#include "sched/scheduler_core.h"

#include <algorithm>

namespace csp::inline v0::detail {
namespace {

constexpr nanos millisecond = 1'000'000;

}  // namespace

void hibernator::reset() noexcept {
  where_ = {};
  begun_ = slept_through_ = young_ = settled_ = false;
}

bool hibernator::in_use() const noexcept {
  return hibernation::instance().in_use() && core_.settings().hibernate_after != never;
}

nanos hibernator::due(nanos now) const noexcept {
  if (settled_ || !in_use()) {
    return never;
  }
  // Between two rounds: a quarter of the delay, so that nobody sleeps much later than asked for.
  return begun_ ? now : add_saturating(now, std::max(core_.settings().hibernate_after / 4, millisecond));
}

void hibernator::work(nanos now, bool slept) noexcept {
  settled_ = settled_ && slept;
  if (settled_ || !in_use()) {
    return;
  }
  hibernation& all = hibernation::instance();
  if (!begun_) {
    begun_ = slept_through_ = true;
    young_ = false;
  }
  slept_through_ = slept_through_ && slept;
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
  settled_ = slept_through_ && !young_;
  all.trim();
}

}  // namespace csp::inline v0::detail
