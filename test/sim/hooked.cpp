// The libc hooks in a simulation: what only takes time is virtual, what needs the outside world is refused by its name.
#include "test/support/catch.h"

#include <libcsp/csp.h>
#include <libcsp/testing.h>

#include <poll.h>
#include <unistd.h>
#include <cerrno>
#include <string>
#include <thread>

using namespace std::chrono_literals;
namespace testing = csp::testing;

namespace {

/// A pipe that nothing is in.
struct empty_pipe {
  empty_pipe() { REQUIRE(::pipe(ends) == 0); }
  ~empty_pipe() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  empty_pipe(const empty_pipe&) = delete;
  empty_pipe& operator=(const empty_pipe&) = delete;
  int ends[2] = {-1, -1};
};

}  // namespace

TEST_CASE("hooks in a simulation: sleeping takes virtual time") {
  const auto result = testing::simulate(1, [] {
    testing::check(::sleep(3600) == 0, "slept");
    testing::check(::poll(nullptr, 0, 1000) == 0, "waited for nothing");
  });
  CHECK(result.failure == "");
  CHECK(result.elapsed == 3601s);
}

TEST_CASE("hooks in a simulation: waiting for real descriptors is refused") {
  const empty_pipe first;
  const empty_pipe second;
  const std::string number = std::to_string(first.ends[0]);
  const auto read = testing::simulate(1, [&] {
    char byte = 0;
    testing::check(::read(first.ends[0], &byte, 1) == -1 && errno == ENOTSUP, "refused");
  });
  CHECK(read.failure.find("a wait to read at file descriptor " + number + ": there is no real I/O") == 0);
  const auto polled = testing::simulate(1, [&] {
    pollfd both[] = {{first.ends[0], POLLIN, 0}, {second.ends[0], POLLIN, 0}};
    testing::check(::poll(both, 2, -1) == -1 && errno == ENOTSUP, "refused");
  });
  CHECK(polled.failure.find("a poll of file descriptor " + number + ": there is no real I/O") == 0);
}

TEST_CASE("hooks in a simulation: what is ready at once is no wait") {
  const empty_pipe line;
  const auto result = testing::simulate(1, [&] {
    char byte = 'x';
    testing::check(::write(line.ends[1], &byte, 1) == 1 && ::read(line.ends[0], &byte, 1) == 1, "moved");
  });
  CHECK(result.failure == "");
}

TEST_CASE("hooks in a simulation: waiting for other threads is refused") {
  const auto result = testing::simulate(1, [] { std::thread([] {}).join(); });
  CHECK(result.failure.find("a call of the C library that waits for another party") == 0);
}
