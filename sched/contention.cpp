#include "sched/contention.h"

#include "sched/scheduler_core.h"
#include "sched/switch_task.h"

#include <algorithm>

namespace csp::inline v0::detail {
namespace {

/// A fight is judged after so many meetings, if they came within so long a time.
constexpr std::uint32_t meetings_judged = 16;
constexpr nanos longest_fight = 1'000'000;
/// It is a loss for both if a processor does one operation in less than this time: an operation costs some 25 ns where
/// all tasks are on one processor and 200 where two fight, so with 150 ns of other work each both ways are equal.
constexpr nanos least_interval = 350;
/// Of the operations at least one in so many met the lock in other hands; else something else takes the time.
constexpr std::uint64_t operations_a_meeting = 32;
/// So many thefts in a row were in vain: their task soon had to wait for a lock that was held where it came from.
constexpr std::uint32_t most_thefts_in_vain = 2;
/// For how long nothing is taken from where the fighters are now, first and at the most: then a thief tries again, and
/// if they still fight, that costs some 10 us.
constexpr nanos first_shun_time = 160'000;
constexpr nanos longest_shun_time = 2'560'000;
/// After so long without a fight the next one counts as a first.
constexpr nanos forgiven_after = 20'000'000;

}  // namespace

processor* processor::weigh_contention(std::uint32_t rival) noexcept {
  scheduler_core& owner = core();
  const std::uint32_t first = signature() - index();  // of this core
  // Always towards the lower index, so that two tasks do not change places and all who fight meet on one. Never to a
  // spare: it may retire before it has seen what is moved to it.
  if (rival < first || rival >= std::min(signature(), first + owner.settings().processors)) {
    return nullptr;
  }
  const nanos now = owner.now();
  const unsigned at = rival - first;
  if (now < observed_[at].shunned_until) {
    return &owner.at(at);
  }
  const std::uint64_t operations = shared_operations_.get();
  if (fight_.meetings == 0 || now - fight_.since > longest_fight) {
    fight_ = {1, operations, now};
    return nullptr;
  }
  if (++fight_.meetings < meetings_judged) {
    return nullptr;
  }
  fight_.meetings = 0;
  const std::uint64_t done = operations - fight_.operations;
  if (done > meetings_judged * operations_a_meeting || now - fight_.since > static_cast<nanos>(done) * least_interval) {
    return nullptr;
  }
  observed_[at].shun(now);
  return &owner.at(at);
}

void observation::shun(nanos now) noexcept {
  const bool fresh = now - shunned_until >= forgiven_after;
  shun_time = fresh ? first_shun_time : std::min(2 * shun_time, longest_shun_time);
  shunned_until = now + shun_time;
}

bool processor::shuns(const observation& seen, nanos now) const noexcept {
  // In a simulation nothing waits for time to pass.
  return now < seen.shunned_until && !is_simulated();
}

void processor::note_wait_for_rival(std::uint32_t rival) noexcept {
  if (loot_ == 0 || core().at(robbed_).signature() != rival) {
    return;
  }
  observation& seen = observed_[robbed_];
  const nanos now = core().now();
  const std::uint64_t done = std::max(shared_operations_.get() - robbed_operations_, std::uint64_t{1});
  if (now - robbed_at_ > static_cast<nanos>(done) * least_interval) {
    return;  // it did other things as well
  }
  loot_ = 0;
  seen.gain -= seen.gain / 8;
  if (++seen.thefts_in_vain >= most_thefts_in_vain) {
    seen.thefts_in_vain = 0;
    seen.shun(now);
  }
}

void processor::commit_moved(processor&, task* left, void* argument) noexcept {
  sanitizer::publish(left);
  static_cast<processor*>(argument)->deliver(*left);
}

void processor::move_to(processor& other) noexcept { park(commit_moved, &other); }

processor* weigh_contention(std::uint32_t rival) noexcept {
  processor* const here = this_processor();
  const task* const self = here != nullptr ? here->current() : nullptr;
  return self != nullptr && self->home == nullptr ? here->weigh_contention(rival) : nullptr;
}

void note_wait_for_rival(std::uint32_t rival) noexcept {
  if (processor* const here = this_processor()) {
    here->note_wait_for_rival(rival);
  }
}

void lock_contended(spinlock& lock, std::uint32_t rival) noexcept {
  if (rival == 0) {
    lock.unlock();
    this_processor()->interleave();
    lock.lock();
    return;
  }
  if (processor* const better = weigh_contention(rival)) {
    this_processor()->move_to(*better);
  }
  lock.lock(signature(this_processor()));
}

}  // namespace csp::inline v0::detail
