// on_readable and on_writable as arms of a select.
#include "test/support/net.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <array>
#include <chrono>
#include <string>
#include <thread>

using namespace std::chrono_literals;
using csp_test::expectations;
using csp_test::on_each_topology;
using csp_test::until_waiting;
namespace net = csp::net;

namespace {

/// A pipe as others make it: blocking, unknown to libcsp.
struct pipe_ends {
  std::array<int, 2> ends{-1, -1};
  pipe_ends() { REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0); }
  ~pipe_ends() {
    for (const int fd : ends) ::close(fd);
  }
  pipe_ends(const pipe_ends&) = delete;
  pipe_ends& operator=(const pipe_ends&) = delete;
  [[nodiscard]] int in() const { return ends[0]; }
  void put(char byte = 'x') const { static_cast<void>(::write(ends[1], &byte, 1)); }
  [[nodiscard]] char take() const {
    char byte = 0;
    return ::read(ends[0], &byte, 1) == 1 ? byte : '\0';
  }
};

}  // namespace

TEST_CASE("of a descriptor, a channel and a timeout, what comes first is chosen") {
  on_each_topology([](expectations& expect, unsigned) {
    const pipe_ends line;
    const csp::chan<int> numbers(1);
    int readable = 0;
    const auto choose = [&] {
      return csp::select(csp::on_readable(line.in(), [&] { ++readable; }), csp::on_recv(numbers), csp::on_timeout(2ms));
    };
    expect(choose() == 2, "nothing");
    line.put();
    expect(choose() == 0 && readable == 1, "readable");
    expect(choose() == 0 && readable == 2, "left unread, it is ready again at once");
    expect(line.take() == 'x' && choose() == 2, "no longer, when it was read");
    numbers.send(1);
    expect(choose() == 1 && readable == 2, "the channel");
    auto writer = csp::spawn({"writer"}, [&] {
      until_waiting("selecting");
      line.put('y');
    });
    auto selecting = csp::spawn({"selecting"}, [&] {
      return csp::select(csp::on_readable(line.in()), csp::on_recv(numbers), csp::on_timeout(1h));
    });
    expect(selecting.join() == 0 && line.take() == 'y', "it comes while we wait");
    writer.join();
    expect(csp::select(csp::on_readable(line.in()), csp::otherwise()) == 1, "otherwise");
    line.put();
    expect(csp::select(csp::when(false, csp::on_readable(line.in())), csp::otherwise()) == 1, "switched off");
    expect(csp::select(csp::on_readable(line.in()), csp::otherwise()) == 0, "and on");
  });
}

TEST_CASE("a list of descriptors, and each as often as it is ready") {
  on_each_topology([](expectations& expect, unsigned) {
    const std::array<pipe_ends, 5> lines;
    std::array<int, 5> hits{};
    csp::select_list list;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      list.add(csp::on_readable(lines[i].in(), [&, i] {
        ++hits[i];
        static_cast<void>(lines[i].take());
      }));
    }
    list.add(csp::on_timeout(csp::clock::now() + 10s));
    auto writer = csp::spawn([&] {
      for (int n = 0; n < 100; ++n) {
        lines[static_cast<std::size_t>(n % 5)].put();
        if (n % 7 == 0) csp::yield();
      }
    });
    for (int n = 0; n < 100; ++n) expect(list.run() < 5, "one of them");
    writer.join();
    for (const int each : hits) expect(each == 20, "each as often as it was written to");
  });
}

TEST_CASE("writable: at once with room, else when there is some") {
  on_each_topology([](expectations& expect, unsigned) {
    auto ends = net::pair().value();
    const int fd = ends.first.native_handle();
    expect(csp::select(csp::on_writable(fd), csp::otherwise()) == 0, "room");
    std::size_t filled = 0;
    const std::string some(4096, 'x');
    for (ssize_t count = 0; (count = ::send(fd, some.data(), some.size(), MSG_NOSIGNAL)) > 0;) {
      filled += static_cast<std::size_t>(count);
    }
    expect(csp::select(csp::on_writable(fd), csp::on_timeout(1ms)) == 1, "none");
    auto selecting = csp::spawn({"selecting"}, [&] { return csp::select(csp::on_writable(fd), csp::on_readable(fd)); });
    until_waiting("selecting");
    std::string got(filled, ' ');
    expect(!ends.second.read_exactly(got.data(), got.size()), "taken");
    expect(selecting.join() == 0, "room again");
    auto both = csp::spawn({"both"}, [&] { return csp::select(csp::on_readable(fd), csp::on_timeout(1h)); });
    until_waiting("both");
    ends.second.close();
    expect(both.join() == 0, "the end is readable");
  });
}

TEST_CASE("what cannot be waited for is always ready") {
  on_each_topology([](expectations& expect, unsigned) {
    const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    expect(csp::select(csp::on_readable(file), csp::on_timeout(1h)) == 0, "a regular file");
    expect(csp::select(csp::on_writable(file), csp::on_timeout(1h)) == 0, "in each direction");
    ::close(file);
    expect(csp::select(csp::on_readable(file), csp::on_timeout(1h)) == 0, "a closed number");
    expect(csp::select(csp::on_readable(-1), csp::on_timeout(1h)) == 0, "no number");
    expect(csp::select(csp::on_readable(1 << 30), csp::on_timeout(1h)) == 0, "a large one");
  });
}

TEST_CASE("closing a socket ends a select on it") {
  on_each_topology([](expectations& expect, unsigned) {
    auto ends = net::pair().value();
    auto selecting = csp::spawn({"selecting"}, [&, fd = ends.first.native_handle()] {
      return csp::select(csp::on_readable(fd), csp::on_timeout(1h));
    });
    until_waiting("selecting");
    ends.first.close();
    expect(selecting.join() == 0, "the arm is chosen");
  });
}

TEST_CASE("a number that stands for another file behind our back is noticed") {
  on_each_topology([](expectations& expect, unsigned) {
    for (int round = 0; round < 20; ++round) {
      const pipe_ends first;
      const pipe_ends second;
      const int number = ::dup(first.in());
      expect(csp::select(csp::on_readable(number), csp::on_timeout(100us)) == 1, "registered");
      ::dup2(second.in(), number);
      auto selecting =
          csp::spawn({"selecting"}, [&] { return csp::select(csp::on_readable(number), csp::on_timeout(1h)); });
      until_waiting("selecting");
      second.put();
      expect(selecting.join() == 0 && second.take() == 'x', "the new file");
      ::close(number);
    }
  });
}

TEST_CASE("several tasks watch one descriptor, and none sleeps over what is there") {
  on_each_topology([](expectations& expect, unsigned) {
    const int counter = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC | EFD_SEMAPHORE);
    const int total = static_cast<int>(csp_test::scaled(2000));
    std::atomic<int> taken{0};
    const csp::chan<void> over;
    csp::wait_group all;
    for (int i = 0; i < 4; ++i) {
      all.go([&] {
        for (bool ended = false; !ended;) {
          csp::select(csp::on_readable(counter,
                                       [&] {
                                         std::uint64_t one = 0;
                                         if (::read(counter, &one, sizeof one) == sizeof one) taken.fetch_add(1);
                                       }),
                      csp::on_recv(over, [&](bool) { ended = true; }));
        }
      });
    }
    // One that looks once and goes away: what it was told must not be lost for the others.
    all.go([&] {
      for (int i = 0; i < total / 4; ++i) csp::select(csp::on_readable(counter), csp::on_timeout(50us));
    });
    for (int i = 0; i < total; ++i) {
      const std::uint64_t one = 1;
      expect(::write(counter, &one, sizeof one) == sizeof one, "one more");
      if (i % 16 == 0) {
        while (taken.load() <= i - 16) csp::yield();
      }
    }
    while (taken.load() < total) csp::yield();
    over.close();
    all.wait();
    expect(taken.load() == total, "each once");
    ::close(counter);
  });
}

TEST_CASE("a plain thread selects on a descriptor while a scheduler runs") {
  on_each_topology([](expectations& expect, unsigned) {
    const pipe_ends line;
    std::atomic<bool> looked{false};
    std::thread outside([&] {
      expect(csp::select(csp::on_readable(line.in()), csp::on_timeout(1ms)) == 1, "nothing");
      looked = true;
      expect(csp::select(csp::on_readable(line.in()), csp::on_timeout(1h)) == 0, "then something");
    });
    while (!looked.load()) csp::yield();
    line.put();
    csp::blocking([&] { outside.join(); });
  });
}

TEST_CASE("a select on a descriptor is no deadlock, and its losing arm leaves nothing") {
  on_each_topology([](expectations& expect, unsigned) {
    const pipe_ends line;
    const csp::chan<int> numbers;
    for (int i = 0; i < 100; ++i) {
      auto sender = csp::spawn([=] { numbers.send(i); });
      const int chosen = csp::select(csp::on_readable(line.in()), csp::on_recv(numbers));
      expect(chosen == 1, "the channel");
      sender.join();
    }
    auto writer = std::thread([&] {
      std::this_thread::sleep_for(5ms);
      line.put();
    });
    expect(csp::select(csp::on_readable(line.in())) == 0, "a thread outside writes");
    csp::blocking([&] { writer.join(); });
  });
}
