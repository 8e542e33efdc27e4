#include <libcsp/go.h>
#include <libcsp/readiness.h>
#include <libcsp/signals.h>

#include "netio/network.h"
#include "netio/signal_hub.h"

#include <chrono>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>

namespace csp::inline v0 {
namespace {

using detail::signal_hub;

/// Room for one of each: nothing of what comes between two looks is put off.
constexpr std::size_t most_unread = detail::most_signals;

/// How often a task looks whether a receiver that has left its channel full has made room.
constexpr std::chrono::milliseconds patience{10};

/// What the channel and the task that feeds it share.
struct subscription {
  detail::signal_subscription entry;
  chan<void> gone;  // closed when the last receiver has gone
};

/// Its destructor is the end of the last receiver: the task that feeds it holds no reference.
class signal_channel final : public detail::channel<int> {
 public:
  explicit signal_channel(std::shared_ptr<subscription> shared) : channel(most_unread), shared_(std::move(shared)) {}

 private:
  ~signal_channel() override {
    signal_hub::instance().unsubscribe(shared_->entry);
    shared_->gone.close();
  }

  const std::shared_ptr<subscription> shared_;
};

/// The task's part; when it goes, the channel is closed.
class attendance {
 public:
  attendance() { signal_hub::instance().attend(); }
  ~attendance() {
    signal_hub::instance().unsubscribe(shared->entry);
    signal_hub::instance().leave();
  }
  attendance(const attendance&) = delete;
  attendance& operator=(const attendance&) = delete;

  const std::shared_ptr<subscription> shared = std::make_shared<subscription>();
};

[[nodiscard]] detail::signal_set checked(std::span<const int> numbers) {
  detail::signal_set wanted = 0;
  for (const int number : numbers) {
    switch (number) {
      case SIGKILL:
      case SIGSTOP:
      case SIGSEGV:
      case SIGBUS:
      case SIGFPE:
      case SIGILL:
      case SIGTRAP:
      case SIGSYS:
        throw std::invalid_argument("csp::signals: signal " + std::to_string(number) + " cannot be received");
      default:
        break;
    }
    if (number < 1 || number > detail::most_signals || (number > SIGSYS && number < SIGRTMIN)) {
      throw std::invalid_argument("csp::signals: there is no signal " + std::to_string(number));
    }
    wanted |= detail::signal_bit(number);
  }
  if (wanted == 0) {
    throw std::invalid_argument("csp::signals: no signal was named");
  }
  return wanted;
}

void feed(const subscription& shared) {
  signal_hub& hub = signal_hub::instance();
  for (bool over = false; !over;) {
    const bool full = hub.collect(shared.entry);
    select(on_readable(hub.bell()), on_readable(hub.pending()), on_recv(shared.gone, [&](bool) { over = true; }),
           when(full, on_timeout(patience)));
  }
}

}  // namespace

receiver<int> signals(std::span<const int> numbers) {
  const detail::signal_set wanted = checked(numbers);
  if (detail::refuse_in_simulation("csp::signals")) {
    throw std::logic_error("csp::signals: there are no signals in a simulation");
  }
  detail::scheduler_core& core = detail::spawning_core();
  const auto place = std::make_shared<attendance>();
  detail::signal_subscription& entry = place->shared->entry;
  const detail::channel_pointer<detail::channel<int>> channel(new signal_channel(place->shared));
  entry.target = channel.get();
  entry.wanted = wanted;
  signal_hub::instance().subscribe(entry);
  detail::spawn_detached(core, {"csp-signals", 0, false, source_location::current()}, [place] {
    try {
      feed(*place->shared);
    } catch (const std::exception&) {
      // No poller, or no watch left: the receiver sees the end of the channel.
    }
  });
  return receiver<int>(channel);
}

}  // namespace csp::inline v0
