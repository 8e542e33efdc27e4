// csp::tasks and the statistics: names, spawn sites, states and counts.
#include "test/support/topologies.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

using csp_test::expectations;
using csp_test::on_each_topology;
using namespace std::chrono_literals;

namespace {

std::map<std::string, csp::task_info> by_name() {
  std::map<std::string, csp::task_info> result;
  for (const csp::task_info& info : csp::tasks()) {
    result.emplace(info.name, info);
  }
  return result;
}

// Waits until the tasks that are to wait have said so.
std::map<std::string, csp::task_info> settled(std::size_t waiting) {
  for (int i = 0; i < 2'000; ++i) {
    auto result = by_name();
    if (std::count_if(result.begin(), result.end(), [](const auto& entry) {
          return entry.second.state != "running";
        }) >= static_cast<std::ptrdiff_t>(waiting)) {
      return result;
    }
    csp::sleep_for(1ms);
  }
  return by_name();
}

}  // namespace

TEST_CASE("inspect: name, site and state of each task that lives") {
  on_each_topology([](expectations& expect, unsigned) {
    csp::chan<int> never;
    csp::mutex held;
    csp::condition_variable condition;
    csp::semaphore tokens(0);
    csp::wait_group group(1);
    csp::chan<void> gate;
    held.lock();
    std::vector<csp::join_handle<void>> others;
    const auto start = [&](const char* name, auto body, csp::source_location site = csp::source_location::current()) {
      others.push_back(csp::spawn({.name = name}, std::move(body), site));
    };
    start("receives", [=] { static_cast<void>(never.recv()); });
    const unsigned line = __LINE__ - 1;
    start("sends", [=] { csp::chan<int>().send(1); });
    start("selects", [=] { csp::select(csp::on_recv(never), csp::on_recv(gate)); });
    start("sleeps", [] { csp::sleep_for(24h); });
    auto child = csp::spawn({.name = "child"}, [=] { static_cast<void>(gate.recv()); });
    start("joins", [&] { child.join(); });
    start("locks", [&] {
      held.lock();
      held.unlock();
    });
    start("conditions", [&] {
      csp::mutex own;
      std::unique_lock guard(own);
      condition.wait(guard);
    });
    start("acquires", [&] { tokens.acquire(); });
    start("groups", [&] { group.wait(); });
    start("nowhere", [] { static_cast<void>(csp::chan<int>(csp::nil).recv()); });
    start("blocks", [gate] { csp::blocking([&] { static_cast<void>(gate.recv()); }); });
    const auto seen = settled(12);
    const std::map<std::string, std::string> wanted = {{"main", "running"},
                                                       {"receives", "chan receive"},
                                                       {"sends", "chan send"},
                                                       {"selects", "select"},
                                                       {"sleeps", "sleep"},
                                                       {"child", "chan receive"},
                                                       {"joins", "join"},
                                                       {"locks", "mutex lock"},
                                                       {"conditions", "condition wait"},
                                                       {"groups", "wait group"},
                                                       {"acquires", "semaphore acquire"},
                                                       {"blocks", "blocking call"},
                                                       {"nowhere", "nil channel (for ever)"}};
    expect(seen.size() == wanted.size(), "as many tasks as there are");
    std::set<std::uint64_t> ids;
    for (const auto& [name, state] : wanted) {
      const auto at = seen.find(name);
      expect(at != seen.end(), name.c_str());
      if (at != seen.end()) {
        const csp::task_info& info = at->second;
        expect(info.state == state, (name + " is " + info.state).c_str());
        expect(info.file.ends_with("inspect_test.cpp") || name == "main", "the file");
        expect(!info.function.empty(), "the function");
        ids.insert(info.id);
      }
    }
    expect(ids.size() == wanted.size() && !ids.contains(0), "ids are distinct");
    expect(seen.at("receives").line == line, "the line of the spawn");
    held.unlock();
    gate.close();
    group.done();
    tokens.release();
    condition.notify_all();
    for (auto& other : others) {
      other.cancel();  // where nothing else ends it
      try {
        other.join();
      } catch (const csp::canceled&) {
      }
    }
  });
}

TEST_CASE("inspect: a name is kept up to 31 characters, and need not outlive the call") {
  on_each_topology([](expectations& expect, unsigned) {
    csp::chan<void> gate;
    {
      std::string name(31, 'n');
      csp::go({.name = name}, [=] { static_cast<void>(gate.recv()); });
      name.assign(31, 'x');
      csp::go({.name = std::string(80, 'm')}, [=] { static_cast<void>(gate.recv()); });
    }
    csp::go([=] { static_cast<void>(gate.recv()); });
    const auto seen = by_name();
    expect(seen.contains(std::string(31, 'n')), "31 characters");
    expect(seen.contains(std::string(31, 'm')), "cut");
    expect(seen.contains(""), "no name");
    expect(seen.size() == 4, "no other");
    gate.close();
  });
}

TEST_CASE("inspect: how long a task has waited is told coarsely") {
  csp::run([] {
    csp::go({.name = "sleeps"}, [] { csp::sleep_for(24h); });
    csp::sleep_for(300ms);
    const auto waited = by_name().at("sleeps").waiting;
    CHECK(waited >= 200ms);
    CHECK(waited < 60s);
  });
}

TEST_CASE("inspect: statistics count what was done") {
  on_each_topology([](expectations& expect, unsigned) {
    constexpr unsigned tasks = 500;
    const csp::statistics before = csp::scheduler_statistics();
    expect(before.spawned == 1 && before.finished == 0, "the main task");
    csp::wait_group all(tasks);
    for (unsigned i = 0; i < tasks; ++i) {
      csp::go([&] {
        csp::yield();
        all.done();
      });
    }
    all.wait();
    while (csp::tasks().size() > 1) {
      csp::yield();
    }
    csp::sleep_for(1ms);
    const csp::statistics after = csp::scheduler_statistics();
    expect(after.spawned == tasks + 1, "spawned");
    expect(after.finished == tasks, "finished");
    expect(after.switches >= tasks, "switches");
    expect(after.sleeps > before.sleeps, "somebody slept while main did");
  });
}

TEST_CASE("inspect: a processor without others and without spares has nobody to steal from") {
  csp::options options;
  options.processors = 1;
  options.spares = 0;
  csp::run(options, [] {
    csp::wait_group all(100);
    for (int i = 0; i < 100; ++i) {
      csp::go([&] {
        csp::yield();
        all.done();
      });
    }
    all.wait();
    CHECK(csp::scheduler_statistics().steals == 0);
  });
}
