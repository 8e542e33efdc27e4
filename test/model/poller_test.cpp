// The poller's claim: one thread at a time looks for events, and the next one sees what it left in the buffer.
#include "sched/poller.h"

#include "test/model/model.h"
#include "test/support/catch.h"

namespace {

using namespace csp::detail;

class counting_poller final : public poller {
 public:
  void sleep_until(nanos) noexcept override {}
  void interrupt() noexcept override {}
  void look() noexcept override { found_.set(found_.get() + 1); }
  std::uint32_t deliver(processor*) noexcept override { return found_.get() - std::exchange(delivered_, found_.get()); }
  bool anybody_waits() noexcept override { return false; }
  void shut() noexcept override {}
  [[nodiscard]] std::uint32_t looks() noexcept { return found_.get(); }

 private:
  model::plain<std::uint32_t> found_;
  std::uint32_t delivered_ = 0;
};

struct claiming {
  static constexpr unsigned threads = 3;
  counting_poller source;
  std::uint32_t events = 0;

  void run(unsigned) { events += source.poll(nullptr, 1); }
  void finish() {
    model::check(events >= 1 && events == source.looks(), "an event is lost, or delivered twice");
    model::check(!source.is_claimed() && !source.outsider_delivers(), "the claim is left behind");
    model::check(source.last_look() == 1, "the look is not told");
  }
};

}  // namespace

TEST_CASE("poller: one thread looks at a time") { CHECK(model::passes<claiming>("poller: three claim")); }

TEST_CASE("poller: mutants are caught") {
  using model::mistake;
  constexpr const char* header = "sched/poller.h";
  CHECK(model::catches<claiming>("poller",
                                 {header, "claimed_.store(false, std::memory_order_release);", mistake::relax}));
  CHECK(model::catches<claiming>("poller",
                                 {header, "!claimed_.exchange(true, std::memory_order_acquire);", mistake::relax}));
  CHECK(model::catches<claiming>("poller",
                                 {header, "!claimed_.exchange(true, std::memory_order_acquire);", mistake::tear}));
}
