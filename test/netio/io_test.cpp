#include "netio/io.h"

#include "netio/real.h"
#include "test/support/topologies.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <array>
#include <string>
#include <thread>

namespace {

using csp::detail::io_direction;
using csp::detail::io_options;
using csp::detail::io_retry;
using csp_test::expectations;
using csp_test::on_each_topology;

struct socket_pair {
  std::array<int, 2> ends{-1, -1};
  explicit socket_pair(int type = SOCK_STREAM) {
    REQUIRE(::socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
    for (const int fd : ends) csp::detail::netpoller::forget(fd);
  }
  void close(int which) {
    csp::detail::netpoller::forget(ends[static_cast<unsigned>(which)]);
    ::close(ends[static_cast<unsigned>(which)]);
    ends[static_cast<unsigned>(which)] = -1;
  }
  ~socket_pair() {
    for (int i = 0; i < 2; ++i) {
      if (ends[static_cast<unsigned>(i)] >= 0) close(i);
    }
  }
};

ssize_t read_some(int fd, void* data, std::size_t size, io_options options = {}) {
  return io_retry(fd, io_direction::read, options, size, [=] { return csp::detail::real::read(fd, data, size); });
}

ssize_t write_some(int fd, const void* data, std::size_t size, io_options options = {}) {
  return io_retry(fd, io_direction::write, options, size, [=] { return csp::detail::real::write(fd, data, size); });
}

}  // namespace

TEST_CASE("a ball goes to and fro between two tasks over a socket pair") {
  on_each_topology([](expectations& expect, unsigned) {
    socket_pair line;
    constexpr int rounds = 1000;
    auto partner = csp::spawn([&] {
      for (int i = 0; i < rounds; ++i) {
        int ball = -1;
        expect(read_some(line.ends[1], &ball, sizeof ball) == sizeof ball, "the ball comes");
        expect(ball == i, "in order");
        expect(write_some(line.ends[1], &ball, sizeof ball) == sizeof ball, "and goes");
      }
    });
    for (int i = 0; i < rounds; ++i) {
      expect(write_some(line.ends[0], &i, sizeof i) == sizeof i, "out");
      int ball = -1;
      expect(read_some(line.ends[0], &ball, sizeof ball) == sizeof ball, "back");
      expect(ball == i, "the same");
    }
    partner.join();
  });
}

TEST_CASE("a reader that waits while others compute is woken") {
  on_each_topology([](expectations& expect, unsigned) {
    socket_pair line;
    std::atomic<bool> done{false};
    auto reader = csp::spawn([&] {
      char byte = 0;
      const ssize_t got = read_some(line.ends[0], &byte, 1);
      done = true;
      return got;
    });
    csp::yield();
    std::thread writer([&] { static_cast<void>(::write(line.ends[1], "x", 1)); });
    while (!done) {
      csp::yield();
    }
    expect(reader.join() == 1, "it got the byte");
    writer.join();
  });
}

TEST_CASE("a deadline ends a wait") {
  on_each_topology([](expectations& expect, unsigned) {
    socket_pair line;
    char byte = 0;
    io_options options;
    options.deadline = csp::detail::current_time() + 20'000'000;
    expect(read_some(line.ends[0], &byte, 1, options) == -1 && errno == ETIMEDOUT, "timed out");
    expect(csp::detail::current_time() >= options.deadline, "not before its time");
  });
}

TEST_CASE("a descriptor that is given up wakes who waits, and its number can be used again") {
  on_each_topology([](expectations& expect, unsigned) {
    for (int round = 0; round < 50; ++round) {
      socket_pair line;
      auto reader = csp::spawn([fd = line.ends[0]] {
        char byte = 0;
        const ssize_t got = read_some(fd, &byte, 1);
        return got == -1 ? errno : 0;
      });
      // Only then: a number that is closed under a read, not under a wait, is the caller's mistake.
      while (!csp::detail::netpoller::of_caller()->anybody_waits()) csp::yield();
      line.close(0);
      expect(reader.join() == EBADF, "closed");
    }
  });
}

TEST_CASE("eight readers of one socket get all that comes, and none sleeps over data") {
  on_each_topology([](expectations& expect, unsigned) {
    socket_pair line(SOCK_DGRAM);
    constexpr int messages = 2000;
    std::atomic<int> got{0};
    csp::wait_group all;
    for (int i = 0; i < 8; ++i) {
      all.add(1);
      csp::go([&] {
        for (;;) {
          int number = 0;
          if (read_some(line.ends[0], &number, sizeof number) != sizeof number || number < 0) break;
          got.fetch_add(1);
        }
        all.done();
      });
    }
    for (int i = 0; i < messages; ++i) write_some(line.ends[1], &i, sizeof i);
    for (int i = 0; i < 8; ++i) {
      const int stop = -1;
      write_some(line.ends[1], &stop, sizeof stop);
    }
    all.wait();
    expect(got.load() == messages, "each once");
  });
}

TEST_CASE("a task that waits for a descriptor can be cancelled, and is no deadlock") {
  on_each_topology([](expectations& expect, unsigned) {
    socket_pair line;
    auto reader = csp::spawn([&] {
      char byte = 0;
      const ssize_t got = read_some(line.ends[0], &byte, 1);
      return got == -1 ? errno : 0;
    });
    csp::sleep_for(std::chrono::milliseconds(2));
    reader.cancel();
    expect(reader.join() == ECANCELED, "cancelled");
  });
}
