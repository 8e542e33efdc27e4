#include "test/history/faults.h"

#include <libcsp/mutex.h>

#include "test/support/dice.h"

#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace csp_test {
namespace {

class broken {
 public:
  broken(fault kind, std::uint64_t seed) : kind_(kind), chance_(seed) {}

  void perform_badly(const history_channels& channels, const step& how, operation& what) {
    const arm& first = what.arms.front();
    const bool now = strikes();
    if (kind_ == fault::loses && now && first.does == way::send) {
      what.result = outcome::done;
      what.chosen = 0;
      return;
    }
    if (kind_ == fault::gives_up && now && what.waits != patience::endless) {
      what.result = outcome::blocked;
      return;
    }
    perform(channels, how, what);
    if (kind_ == fault::doubles && now && what.result == outcome::done) {
      const arm& chosen = what.arms[static_cast<std::size_t>(what.chosen)];
      if (chosen.does == way::send) {
        static_cast<void>(channels[chosen.channel].try_send(chosen.value));
      }
    }
    if (kind_ == fault::reorders) {
      reorder(channels, what, now);
    }
    if (kind_ == fault::sends_late && now && what.result == outcome::closed && what.chosen < 0) {
      what.result = outcome::done;
      what.chosen = 0;
    }
    if (kind_ == fault::closes_twice && what.result == outcome::refused) {
      what.result = outcome::done;
      what.chosen = 0;
    }
  }

 private:
  bool strikes() {
    const std::lock_guard guard(lock_);
    return chance_.once_in(8);
  }

  // A receive that finds a second value answers with that one; the first is kept for the next receive.
  void reorder(const history_channels& channels, operation& what, bool now) {
    if (what.chosen < 0) {
      return;
    }
    const arm& chosen = what.arms[static_cast<std::size_t>(what.chosen)];
    if (chosen.does != way::receive) {
      return;
    }
    const std::lock_guard guard(lock_);
    const auto kept = kept_.find(chosen.channel);
    if (kept != kept_.end()) {
      const std::uint64_t older = kept->second;
      kept_.erase(kept);
      if (what.result == outcome::done) {
        kept_.emplace(chosen.channel, what.value);
      }
      what.result = outcome::done;
      what.value = older;
    } else if (now && what.result == outcome::done) {
      if (const auto second = channels[chosen.channel].try_recv(); second.status == csp::op_status::ok) {
        kept_.emplace(chosen.channel, std::exchange(what.value, *second.value));
      }
    }
  }

  const fault kind_;
  csp::mutex lock_;  // of libcsp, for it is held over an operation, and there a simulation lets other tasks run
  dice chance_;      // guarded by lock_
  std::map<unsigned, std::uint64_t> kept_;  // guarded by lock_
};

}  // namespace

performer faulty(fault kind, std::uint64_t seed) {
  return [state = std::make_shared<broken>(kind, seed)](const history_channels& channels, const step& how,
                                                        operation& what) { state->perform_badly(channels, how, what); };
}

}  // namespace csp_test
