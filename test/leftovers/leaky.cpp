// Test cases that leave something behind, one kind each; leftovers_test.cpp runs them one by one and looks for the
// report.
#include "test/support/topologies.h"

#include <fcntl.h>

#include <chrono>
#include <memory>
#include <thread>

namespace {

using namespace std::chrono_literals;

// A scheduler that nobody stops: static, so that it ends with the process.
csp::scheduler& forgotten_scheduler() {
  static csp::scheduler instance;
  instance.start();
  return instance;
}

// What no test can reach any more; hidden from the sanitizer, which would report it, too.
struct memory_hole {
  std::unique_ptr<int> held;
  memory_hole* next = nullptr;
};
memory_hole* first_hole = nullptr;

}  // namespace

TEST_CASE("nothing") {
  CHECK(csp::run([] { return 1; }) == 1);
}

TEST_CASE("a task, with its stack") {
  forgotten_scheduler().go([] { static_cast<void>(csp::receiver<int>().recv()); });
  CHECK(!csp::tasks().empty());
}

TEST_CASE("a timer") {
  forgotten_scheduler().go([] { csp::sleep_for(1h); });
  forgotten_scheduler().spawn([] {}).join();
  CHECK(!csp::tasks().empty());
}

TEST_CASE("a file descriptor") { CHECK(::open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0); }

TEST_CASE("a file descriptor too few") {
  // Of one that was open before: standard input.
  CHECK(::close(0) == 0);
}

TEST_CASE("a thread") {
  forgotten_scheduler();
  CHECK(csp::tasks().empty());
}

TEST_CASE("an allocation") {
  first_hole = new memory_hole{std::make_unique<int>(1), first_hole};
  CHECK(first_hole != nullptr);
}

TEST_CASE("an allocation the first time only") {
  static const auto kept = std::make_unique<int>(1);
  CHECK(*kept == 1);
}
