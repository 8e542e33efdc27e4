// "All tasks are asleep": reported when nothing can ever happen again, and never when something still can.
#include "test/sched/child.h"
#include "test/support/topologies.h"

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include <unistd.h>

using csp_test::check_in_child;
using csp_test::child_result;
using csp_test::in_child;
using csp_test::with;
using namespace std::chrono_literals;

namespace {

csp::chan<void>* rescue = nullptr;

}  // namespace

TEST_CASE("deadlock: the report lists each task with its name, site and wait, and the status is 2") {
  for (const unsigned processors : {1U, 2U, 4U, 8U}) {
    const unsigned line = __LINE__ + 5;
    const child_result result = in_child([=] {
      csp::run(with(processors), [] {
        csp::chan<int> never;
        csp::mutex held;
        csp::go({.name = "receiver"}, [=] { static_cast<void>(never.recv()); });
        csp::go({.name = "sender"}, [] { csp::chan<int>().send(1); });
        csp::go([] { csp::select(csp::on_recv(csp::chan<int>()), csp::on_recv(csp::chan<int>())); });
        auto joined = csp::spawn({.name = "forever"}, [] { static_cast<void>(csp::chan<int>(csp::nil).recv()); });
        held.lock();
        csp::go({.name = "locker"}, [&] { held.lock(); });
        joined.join();
      });
    });
    CAPTURE(processors, result.text);
    CHECK(result.exited_with(2));
    CHECK(result.says("csp: deadlock: all tasks are asleep"));
    const std::string site = "deadlock_test.cpp:";
    CHECK(result.says("'receiver', spawned at /") != result.says("'receiver', spawned at deadlock"));
    CHECK(result.says(site + std::to_string(line) + ": chan receive"));
    CHECK(result.says(site + std::to_string(line + 1) + ": chan send"));
    CHECK(result.says(site + std::to_string(line + 2) + ": select"));
    CHECK(result.says(site + std::to_string(line + 3) + ": nil channel"));
    CHECK(result.says(site + std::to_string(line + 5) + ": mutex lock"));
    CHECK(result.says("'main', spawned at"));
    CHECK(result.says(": join"));
    for (const char* const name : {"'receiver'", "'sender'", "'forever'", "'locker'"}) {
      CHECK(result.says(name));
    }
    CHECK(std::count(result.text.begin(), result.text.end(), '\n') == 7);
  }
}

TEST_CASE("deadlock: found right away when the last timer has fired and nothing is left") {
  const child_result result = in_child([] {
    csp::run(with(2), [] {
      csp::sleep_for(20ms);
      csp::blocking([] { ::usleep(20'000); });
      csp::sleep_for(20ms);
      static_cast<void>(csp::chan<int>().recv());
    });
  });
  INFO(result.text);
  CHECK(result.exited_with(2));
  CHECK(result.says("chan receive"));
}

TEST_CASE("deadlock: none while a plain thread lives that may still send") {
  for (const unsigned processors : {1U, 4U}) {
    const child_result result = in_child([=] {
      csp::chan<int> values;
      std::thread plain([=] {
        ::usleep(200'000);
        values.send(4);
      });
      check_in_child(csp::run(with(processors), [=] { return values.recv(); }) == 4, "the value");
      plain.join();
    });
    INFO(result.text);
    CHECK(result.exited_with(0));
    CHECK(result.text.empty());
  }
}

TEST_CASE("deadlock: none while a timer is armed, a ticker runs or a blocking call is on its way") {
  const child_result result = in_child([] {
    csp::run(with(2), [] {
      csp::chan<int> values;
      csp::go([=] {
        csp::sleep_for(100ms);
        values.send(1);
      });
      check_in_child(values.recv() == 1, "after a sleep");
      check_in_child(csp::after(100ms).recv().has_value(), "after()");
      csp::ticker ticks(30ms);
      for (int i = 0; i < 4; ++i) {
        check_in_child(ticks.channel().recv().has_value(), "a tick");
      }
      ticks.stop();
      csp::blocking([&] {
        ::usleep(100'000);
        return 0;
      });
      csp::go([=] {
        csp::blocking([=] {
          ::usleep(100'000);
          values.send(2);
        });
      });
      check_in_child(values.recv() == 2, "from a blocking call");
    });
  });
  INFO(result.text);
  CHECK(result.exited_with(0));
  CHECK(result.text.empty());
}

TEST_CASE("deadlock: judged over all schedulers") {
  const auto program = [](bool sends) {
    return in_child([=] {
      csp::scheduler first(with(2));
      csp::scheduler second(with(1));
      first.start();
      second.start();
      csp::chan<int> values;
      first.go({.name = "in the first"}, [=] { static_cast<void>(values.recv()); });
      second.go({.name = "in the second"}, [=] {
        csp::sleep_for(200ms);
        if (sends) {
          values.send(1);
        } else {
          static_cast<void>(values.recv());
        }
      });
      first.drain();
      second.drain();
    });
  };
  const child_result quiet = program(true);
  INFO(quiet.text);
  CHECK(quiet.exited_with(0));
  CHECK(quiet.text.empty());
  const child_result stuck = program(false);
  INFO(stuck.text);
  CHECK(stuck.exited_with(2));
  CHECK(stuck.says("'in the first'"));
  CHECK(stuck.says("'in the second'"));
}

TEST_CASE("deadlock: the handler can be replaced, and put back") {
  const child_result result = in_child([] {
    const auto own = +[](const std::string& report) {
      check_in_child(report.find("chan receive") != std::string::npos, "the report");
      ::_exit(17);
    };
    const csp::deadlock_handler standard = csp::set_deadlock_handler(own);
    check_in_child(standard != nullptr && standard != own, "the standard handler");
    check_in_child(csp::set_deadlock_handler(nullptr) == own, "what was set");
    check_in_child(csp::set_deadlock_handler(own) == standard, "null restores the standard one");
    csp::run(with(2), [] { static_cast<void>(csp::chan<int>().recv()); });
  });
  INFO(result.text);
  CHECK(result.exited_with(17));
}

TEST_CASE("deadlock: a handler that returns lets the tasks sleep on; it may close a channel to wake them") {
  for (const unsigned processors : {1U, 2U}) {
    const child_result result = in_child([=] {
      static std::atomic<int> reports{0};
      rescue = new csp::chan<void>;
      csp::set_deadlock_handler([](const std::string&) {
        ++reports;
        rescue->close();
      });
      csp::run(with(processors), [] { static_cast<void>(rescue->recv()); });
      check_in_child(reports == 1, "one report");
    });
    CAPTURE(processors, result.text);
    CHECK(result.exited_with(0));
  }
}

TEST_CASE("deadlock: not when run ends, stops or drains, again and again") {
  const child_result result = in_child([] {
    for (std::size_t i = 0; i < csp_test::scaled(300); ++i) {
      csp::run(with(1 + static_cast<unsigned>(i) % 4), [] {
        for (int k = 0; k < 5; ++k) {
          csp::go([] { static_cast<void>(csp::chan<int>().recv()); });
        }
        csp::blocking([] {});
        csp::sleep_for(20us);
        csp::spawn([] { csp::yield(); }).join();
      });
    }
  });
  INFO(result.text);
  CHECK(result.exited_with(0));
  CHECK(result.text.empty());
}

TEST_CASE("deadlock: found by a thread that begins to wait when all are asleep already") {
  const child_result result = in_child([] {
    csp::scheduler scheduler(with(2));
    scheduler.start();
    scheduler.go({.name = "asleep"}, [] { static_cast<void>(csp::chan<int>().recv()); });
    ::usleep(200'000);  // this thread might do anything as yet
    check_in_child(csp::tasks().size() == 1, "not judged too early");
    scheduler.drain();
  });
  INFO(result.text);
  CHECK(result.exited_with(2));
  CHECK(result.says("'asleep'"));
}
