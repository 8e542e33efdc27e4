#include "test/history/run_history.h"

#include <libcsp/testing.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <utility>

namespace csp_test {
namespace {

using namespace std::chrono_literals;
using csp::op_status;
using channel = csp::chan<std::uint64_t>;

// Long beside an operation, so that most closes of the supervisor come when all wait; nothing depends on it. In a
// simulation, where time passes only when all wait, it is beyond all limits, which have passed then.
csp::clock::duration stuck_after() { return csp::testing::simulating() ? csp::clock::duration(1s) : 200us; }
constexpr auto hangs_after = 60s;

outcome outcome_of(op_status status, patience waits) {
  switch (status) {
    case op_status::ok:
      return outcome::done;
    case op_status::closed:
      return outcome::closed;
    case op_status::would_block:
      return waits == patience::at_once ? outcome::blocked : outcome::wrong;
    case op_status::timeout:
      return waits == patience::limited ? outcome::blocked : outcome::wrong;
    case op_status::canceled:
      return outcome::canceled;
  }
  return outcome::wrong;
}

void send_direct(const channel& to, const step& how, operation& what) {
  const std::uint64_t value = what.arms.front().value;
  op_status status = op_status::ok;
  switch (what.waits) {
    case patience::endless:
      to.send(value);
      break;
    case patience::at_once:
      status = to.try_send(value);
      break;
    case patience::limited:
      status = to.send_for(value, std::chrono::microseconds(how.limit));
      break;
  }
  what.result = outcome_of(status, what.waits);
  what.chosen = status == op_status::ok ? 0 : -1;
}

void receive_direct(const channel& from, const step& how, operation& what) {
  csp::recv_result<std::uint64_t> got{op_status::ok, std::nullopt};
  switch (what.waits) {
    case patience::endless:
      got.value = from.recv();
      got.status = got.value ? op_status::ok : op_status::closed;
      break;
    case patience::at_once:
      got = from.try_recv();
      break;
    case patience::limited:
      got = from.recv_for(std::chrono::microseconds(how.limit));
      break;
  }
  what.result = outcome_of(got.status, what.waits);
  what.chosen = what.result == outcome::done || what.result == outcome::closed ? 0 : -1;
  what.value = got.value.value_or(0);
  if (got.value.has_value() != (what.result == outcome::done)) {
    what.result = outcome::wrong;
  }
}

// The handler of receive arm `index`.
auto take(operation& what, std::size_t index) {
  return [&what, index](std::optional<std::uint64_t> got) {
    what.chosen = static_cast<int>(index);
    what.result = got ? outcome::done : outcome::closed;
    what.value = got.value_or(0);
  };
}

auto gave(operation& what, std::size_t index) {
  return [&what, index] {
    what.chosen = static_cast<int>(index);
    what.result = outcome::done;
  };
}

void select_static(const history_channels& channels, const step& how, operation& what) {
  static const channel nowhere(csp::nil);
  const auto gave_up = [&what] { what.result = outcome::blocked; };
  const auto is = [&what](std::size_t index, way does) {
    return index < what.arms.size() && what.arms[index].does == does;
  };
  const auto at = [&](std::size_t index) -> const channel& {
    return index < what.arms.size() ? channels[what.arms[index].channel] : nowhere;
  };
  const auto value = [&](std::size_t index) { return index < what.arms.size() ? what.arms[index].value : 0; };
  const std::uint64_t values[most_arms] = {value(0), value(1), value(2)};
  using csp::when;
  csp::select(when(is(0, way::send), csp::on_send(at(0), values[0], gave(what, 0))),
              when(is(0, way::receive), csp::on_recv(at(0), take(what, 0))),
              when(is(1, way::send), csp::on_send(at(1), values[1], gave(what, 1))),
              when(is(1, way::receive), csp::on_recv(at(1), take(what, 1))),
              when(is(2, way::send), csp::on_send(at(2), values[2], gave(what, 2))),
              when(is(2, way::receive), csp::on_recv(at(2), take(what, 2))),
              when(what.waits == patience::at_once, csp::otherwise(gave_up)),
              when(what.waits == patience::limited, csp::on_timeout(std::chrono::microseconds(how.limit), gave_up)));
}

void select_by_list(const history_channels& channels, const step& how, operation& what) {
  csp::select_list list;
  for (std::size_t i = 0; i < what.arms.size(); ++i) {
    const channel& target = channels[what.arms[i].channel];
    if (what.arms[i].does == way::send) {
      list.add(csp::on_send(target, what.arms[i].value, gave(what, i)));
    } else {
      list.add(csp::on_recv(target, take(what, i)));
    }
  }
  const auto gave_up = [&what] { what.result = outcome::blocked; };
  if (what.waits == patience::at_once) {
    list.add(csp::otherwise(gave_up));
  } else if (what.waits == patience::limited) {
    list.add(csp::on_timeout(std::chrono::microseconds(how.limit), gave_up));
  }
  const int position = list.run();
  if (what.chosen >= 0 && what.chosen != position) {
    what.result = outcome::wrong;
  }
}

// What all actors share.
struct stage {
  explicit stage(const performer& performing) : act(performing) {}

  const performer& act;
  history_channels channels;
  std::atomic<std::uint64_t> stamps{0};
  csp::wait_group curtain;

  void do_step(const step& how, operation& what) {
    what.invoked = stamps.fetch_add(1);
    act(channels, how, what);
    what.returned = stamps.fetch_add(1);
  }
};

// The supervisor's own steps.
class supervisor {
 public:
  supervisor(stage& shared, unsigned number) : shared_(shared), number_(number) {}

  /// `exact`: all wait.
  void close_all(bool exact) {
    if (!std::exchange(closed_, true)) {
      for (unsigned i = 0; i < shared_.channels.size(); ++i) {
        static_cast<void>(do_one(way::close, i, exact && i == 0));
      }
    }
  }
  void drain_all() {
    for (unsigned i = 0; i < shared_.channels.size(); ++i) {
      while (do_one(way::receive, i, false) == outcome::done) {
      }
    }
  }
  std::vector<operation> operations;

 private:
  outcome do_one(way does, unsigned target, bool at_standstill) {
    step how;
    operation& what = operations.emplace_back();
    what.actor = number_;
    what.arms.push_back({does, target, 0});
    what.at_standstill = at_standstill;
    shared_.do_step(how, what);
    return what.result;
  }

  stage& shared_;
  const unsigned number_;
  bool closed_ = false;
};

[[noreturn]] void report_hang(const scenario& plan) {
  std::fprintf(stderr, "HANGS: the balanced history of seed %llu\n", static_cast<unsigned long long>(plan.seed));
  std::abort();
}

}  // namespace

void perform(const history_channels& channels, const step& how, operation& what) {
  const arm& first = what.arms.front();
  try {
    if (first.does == way::close) {
      what.result = channels[first.channel].close() ? outcome::done : outcome::refused;
      what.chosen = what.result == outcome::done ? 0 : -1;
    } else if (how.spelled == form::select) {
      select_static(channels, how, what);
    } else if (how.spelled == form::list) {
      select_by_list(channels, how, what);
    } else if (first.does == way::send) {
      send_direct(channels[first.channel], how, what);
    } else {
      receive_direct(channels[first.channel], how, what);
    }
  } catch (const csp::closed_channel&) {
    what.result = what.chosen < 0 ? outcome::closed : outcome::wrong;
  } catch (const csp::canceled&) {
    what.result = what.chosen < 0 ? outcome::canceled : outcome::wrong;
  }
}

history run_history(const scenario& plan, const starter& start, const performer& act) {
  stage shared(act);
  for (const std::size_t capacity : plan.capacities) {
    shared.channels.emplace_back(capacity);
  }
  const auto actors = static_cast<unsigned>(plan.actors.size());
  const csp::chan<void> ended(actors);
  std::vector<std::vector<operation>> done(actors);
  shared.curtain.add();
  for (unsigned index = 0; index < actors; ++index) {
    // The last thing that an actor touches is its own handle.
    start(index, [&shared, &plan, &mine = done[index], ended, index] {
      shared.curtain.wait();
      for (const step& each : plan.actors[index]) {
        for (unsigned i = 0; i < each.yields; ++i) {
          csp::yield();
        }
        operation& what = mine.emplace_back(each.what);
        what.actor = index;
        shared.do_step(each, what);
      }
      ended.send();
    });
  }
  shared.curtain.done();

  supervisor self(shared, actors);
  for (unsigned running = actors; running > 0;) {
    const bool one_ended = ended.recv_for(plan.balanced ? hangs_after : stuck_after()) == op_status::ok;
    if (!one_ended && plan.balanced) {
      report_hang(plan);
    }
    one_ended ? static_cast<void>(--running) : self.close_all(csp::testing::simulating());
  }
  self.close_all(false);
  self.drain_all();

  history result{plan.capacities, std::move(self.operations)};
  for (const auto& operations : done) {
    result.operations.insert(result.operations.end(), operations.begin(), operations.end());
  }
  return result;
}

}  // namespace csp_test
