// What a user sees of a failing simulation inside a test of Catch2, and that nothing of it is left in the process.
#include "test/sched/child.h"
#include "test/support/footprint.h"

#include <libcsp/csp.h>
#include <libcsp/testing.h>

#include <cstdio>
#include <functional>
#include <mutex>
#include <sstream>
#include <string>

using namespace csp_test;
using namespace std::chrono_literals;
namespace testing = csp::testing;

namespace {

/// Two tasks that take two locks in different orders.
void crossed_locks() {
  csp::mutex first;
  csp::mutex second;
  const auto take = [](csp::mutex& a, csp::mutex& b) {
    const std::lock_guard outer(a);
    const std::lock_guard inner(b);
  };
  auto other = csp::spawn({.name = "other"}, [&] { take(second, first); });
  take(first, second);
  other.join();
}

void failed_check() {
  auto late = csp::spawn([] { csp::sleep_for(1h); });
  testing::check(csp::clock::now() < csp::clock::time_point(), "time goes back");
  late.join();
}

void thrown_exception() {
  const csp::chan<int> never;
  csp::go([=] { static_cast<void>(never.recv()); });
  throw std::runtime_error("thrown by the body");
}

void forgotten_task() {
  const csp::chan<int> never;
  csp::go([=] { static_cast<void>(never.recv()); });
}

void endless() {
  for (;;) csp::yield();
}

/// Cannot be cancelled: it is given up.
void stubborn() {
  csp::go([] {
    const csp::shield never_cancelled;
    for (;;) csp::yield();
  });
  endless();
}

constexpr void (*failing_bodies[])() = {crossed_locks, failed_check, thrown_exception, forgotten_task, endless};

/// What explore() throws.
std::string report_of(const std::function<void()>& body) {
  testing::exploration_options options;
  options.each.most_steps = 2000;
  options.runs_to_shorten = 50;
  try {
    static_cast<void>(testing::explore(options, body));
  } catch (const testing::simulation_failure& failure) {
    return failure.what();
  }
  return {};
}

/// Runs a hidden test case of this file as its own process would, by Catch2: its report, as on a terminal.
std::string catch_report(const std::string& test, const std::string& environment = {}) {
  const std::string command = environment + " " + std::string("$CSP_TEST_EMULATOR /proc/") +
                              std::to_string(::getpid()) + "/exe '" + test + "' 2>&1";
  std::string text;
  FILE* const output = ::popen(command.c_str(), "r");
  REQUIRE(output != nullptr);
  char buffer[4096];
  for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, output)) > 0;) text.append(buffer, n);
  CHECK(::pclose(output) != 0);
  return without_emulator(std::move(text));
}

/// The same with one space between words: Catch2 breaks lines where it likes.
std::string words(const std::string& text) {
  std::istringstream in(text);
  std::string result;
  for (std::string word; in >> word;) result += (result.empty() ? "" : " ") + word;
  return result;
}

}  // namespace

// Hidden: the next test case runs it.
TEST_CASE("report: a failing exploration", "[.]") {
  testing::explore(10'000, crossed_locks);
  SUCCEED("not reached");
}

TEST_CASE("report: Catch2 prints what has failed, where, and how to replay it") {
  const std::string text = catch_report("report: a failing exploration");
  INFO(text);
  CHECK(text.find("due to unexpected exception with message") != std::string::npos);
  CHECK(text.find("deadlock: all tasks are asleep") != std::string::npos);
  CHECK(text.find("'other'") != std::string::npos);
  CHECK(text.find("report_test.cpp:") != std::string::npos);
  CHECK(words(text).find("mutex lock for about") != std::string::npos);
  CHECK(text.find("1 failed") != std::string::npos);
  CHECK(text.find("sim: ") == std::string::npos);  // quiet but for the failure

  SECTION("and with the seed from the report, each step") {
    const std::string mark = "replay: CSP_SIM_SEED=";
    const std::size_t at = text.find(mark);
    REQUIRE(at != std::string::npos);
    CHECK(text[text.find_last_not_of(' ', at - 1)] == '\n');  // a line of its own
    const std::size_t seed = at + mark.size();
    const std::string replayed = catch_report("report: a failing exploration",
                                              "CSP_SIM_SEED=" + text.substr(seed, text.find('\n', seed) - seed));
    INFO(replayed);
    CHECK(replayed.find("sim: step 1, processor") != std::string::npos);
    CHECK(replayed.find("waits: mutex lock") != std::string::npos);
    CHECK(replayed.find("sim: failure: deadlock") != std::string::npos);
    CHECK(replayed.find("deadlock: all tasks are asleep") != std::string::npos);
  }
}

TEST_CASE("report: failing simulations leave no task, stack, timer, thread or descriptor behind") {
  const auto child = in_child([] {
    const auto fail_all = [] {
      for (const auto body : failing_bodies) check_in_child(!report_of(body).empty(), "a body that should fail passes");
    };
    fail_all();
    const footprint before = footprint::now();
    for (int i = 0; i < 20; ++i) fail_all();
    check_in_child(footprint::settled(before).beyond(before).empty(), footprint::now().beyond(before));
    check_in_child(csp::tasks().empty(), "a task is left");
    // What cannot be cancelled keeps its stack, and nothing else.
    check_in_child(!report_of(stubborn).empty(), "stubborn");
    footprint last = footprint::settled(before);
    last.stacks = before.stacks;
    check_in_child(last.beyond(before).empty(), last.beyond(before));
    // And the process is as good as new for both kinds of runs.
    check_in_child(testing::simulate(1, [] { csp::spawn([] { csp::sleep_for(1h); }).join(); }).passed(), "simulate");
    check_in_child(csp::run([] { return csp::spawn([] { return 7; }).join(); }) == 7, "run");
  });
  INFO(child.text);
  CHECK(child.exited_with(0));
}

TEST_CASE("report: each kind of failure says what it is") {
  CHECK(report_of(crossed_locks).find("deadlock") == 0);
  CHECK(report_of(failed_check).find("time goes back") != std::string::npos);
  CHECK(report_of(thrown_exception).find("an exception left the main task: thrown by the body") == 0);
  CHECK(report_of(forgotten_task).find("the main task has ended and left these behind") == 0);
  CHECK(report_of(endless).find("no end after 2000 steps") == 0);
  for (const auto body : failing_bodies) {
    const std::string text = report_of(body);
    INFO(text);
    CHECK(text.find("\n  in the simulation with seed ") != std::string::npos);
    CHECK(text.find("\n  replay: CSP_SIM_SEED=") != std::string::npos);
  }
}
