#include <libcsp/time.h>

#include <stdexcept>

namespace csp::inline v0 {
namespace {

void require_positive(detail::nanos period) {
  if (period <= 0) {
    throw std::invalid_argument("csp: a ticker's period must be above zero");
  }
}

// The deadline lies ahead.
void wait_until(detail::nanos deadline) {
  if (deadline == detail::never) {
    detail::wait_for_ever();
  }
  detail::sleep_until(deadline);
}

}  // namespace

// One look at the clock: what has a length ends later than now.
void detail::sleep_for(nanos length) {
  if (length <= 0) {
    yield();
    return;
  }
  wait_until(add_saturating(current_time(), length));
}

void sleep_until(clock::time_point deadline) {
  const detail::nanos when = detail::to_nanos(deadline);
  if (when <= detail::current_time()) {
    yield();
    return;
  }
  wait_until(when);
}

ticker::ticker(detail::nanos period, std::nullptr_t) : core_((require_positive(period), detail::ticker_core::make())) {
  try {
    restart(period);
  } catch (...) {
    core_->release();
    throw;
  }
}

ticker::~ticker() {
  core_->stop();
  core_->release();
}

receiver<clock::time_point> ticker::channel() const { return receiver<clock::time_point>(core_->ticks()); }

void ticker::stop() noexcept { core_->stop(); }

void ticker::restart(detail::nanos period) {
  require_positive(period);
  core_->start(detail::add_saturating(detail::current_time(), period), period);
}

detail::nanos detail::checked_period(nanos period) {
  require_positive(period);
  return period;
}

receiver<clock::time_point> detail::make_ticks(nanos first, nanos period) {
  ticker_core* const core = ticker_core::make();
  receiver<csp::clock::time_point> ticks(core->ticks());
  try {
    core->start(first, period);
  } catch (...) {
    core->release();
    throw;
  }
  core->release();
  return ticks;
}

}  // namespace csp::inline v0
