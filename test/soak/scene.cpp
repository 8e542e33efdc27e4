#include "test/soak/scene.h"

#include <exception>
#include <string>
#include <utility>

namespace csp_test {

const std::vector<named_part>& all_parts() {
  static const std::vector<named_part> parts{
      {"values", values_through_channels},
      {"closes", channels_closed_in_use},
      {"locks", locks_and_permits},
      {"condition", queue_of_a_condition},
      {"trees", trees_of_tasks},
      {"cancels", tasks_cancelled},
      {"timers", timers_and_tickers},
      {"blocking", blocking_calls},
      {"echo", echo_over_loopback},
      {"listeners", listeners_closed},
      {"schedulers", schedulers_come_and_go},
  };
  return parts;
}

void crowd::add(std::function<void()> member) {
  group_.add();
  auto body = [this, member = std::move(member)] {
    try {
      member();
    } catch (const std::exception& error) {
      here_.expect(false, (std::string("an exception left a member: ") + error.what()).c_str());
    }
    group_.done();
  };
  switch (here_.chance.below(8)) {
    case 0:
      threads_.emplace_back(std::move(body));
      break;
    case 1:
    case 2:
      here_.other.go(std::move(body));
      break;
    case 3:
      csp::go({.pinned = true}, std::move(body));
      break;
    default:
      csp::go(std::move(body));
  }
}

void crowd::join() {
  group_.wait();
  csp::blocking([this] {
    for (std::thread& each : threads_) {
      each.join();
    }
  });
  threads_.clear();
}

}  // namespace csp_test
