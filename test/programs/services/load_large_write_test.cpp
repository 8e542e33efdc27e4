// Ten megabytes to a peer that does not read yet: the write waits, and the processor's only thread goes on with others.
// By csp::net, and by plain blocking calls with hooks.
#include <libcsp/net.h>

#include "test/support/topologies.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

using csp_test::expectations;
using namespace std::chrono_literals;
namespace net = csp::net;

namespace {

constexpr std::size_t size = 10'000'000;

std::string pattern() {
  std::string result(size, '\0');
  std::uint32_t state = 3;
  for (char& byte : result) {
    state = state * 1'664'525 + 1'013'904'223;  // Numerical Recipes' generator
    byte = static_cast<char>(state >> 24);
  }
  return result;
}

/// Two ends of a connection, tcp or local.
std::array<net::stream, 2> connection(bool tcp) {
  if (!tcp) {
    auto both = net::pair().value();
    return {std::move(both.first), std::move(both.second)};
  }
  auto listener = net::listener::bind("127.0.0.1", 0).value();
  auto client = net::connect(listener.local()).value();
  return {std::move(client), listener.accept().value()};
}

/// Reads all, on a plain thread: only when the other tasks have ticked fifty times, and then piece by piece, with a
/// tick before each of the first hundred.
std::string read_slowly(int fd, const std::atomic<int>& ticks) {
  constexpr int before_the_first = 50;
  std::string result;
  std::string piece(60'000, '\0');
  for (int wanted = before_the_first;; ++wanted) {
    while (wanted < before_the_first + 100 && ticks < wanted) {
      std::this_thread::sleep_for(1ms);
    }
    const ssize_t count = ::recv(fd, piece.data(), piece.size(), 0);
    if (count <= 0) {
      return result;
    }
    result.append(piece, 0, static_cast<std::size_t>(count));
  }
}

/// `write` sends all and returns how much it was; other tasks tick meanwhile, on the only thread there is.
void check(bool tcp, const std::function<std::size_t(net::stream&, const std::string&)>& write) {
  csp::options one;
  one.processors = 1;
  one.spares = 0;
  expectations expect;
  const std::string text = pattern();
  csp::run(one, [&] {
    auto ends = connection(tcp);
    const int fd = ends[1].release();
    REQUIRE(::fcntl(fd, F_SETFL, 0) == 0);  // blocking, for the plain thread
    std::atomic<int> ticks{0};
    std::string received;
    std::thread reader([&] { received = read_slowly(fd, ticks); });
    csp::chan<void> over;
    auto ticker = csp::spawn([&] {
      while (!over.is_closed()) {
        csp::sleep_for(1ms);
        ++ticks;
      }
    });
    expect(write(ends[0], text) == size, "all was sent");
    expect(ticks >= 100, "others went on meanwhile");
    ends[0].close();
    csp::blocking([&] { reader.join(); });
    over.close();
    ticker.join();
    expect(received == text, "all has come");
    ::close(fd);
  });
  expect.verify();
}

}  // namespace

TEST_CASE("a large write by csp::net") {
  for (const bool tcp : {true, false}) {
    CAPTURE(tcp);
    check(tcp, [](net::stream& line, const std::string& text) {
      std::size_t sent = 0;
      static_cast<void>(line.write_all(text.data(), text.size(), &sent));
      return sent;
    });
  }
}

TEST_CASE("a large write by blocking calls with hooks") {
  for (const bool tcp : {true, false}) {
    CAPTURE(tcp);
    const auto as_written_for_threads = [](net::stream& line, const std::string& text, auto send) {
      const int fd = line.release();
      ::fcntl(fd, F_SETFL, 0);
      const ssize_t count = send(fd, text);
      ::close(fd);
      return count > 0 ? static_cast<std::size_t>(count) : 0;
    };
    // A blocking call takes all of it at once.
    check(tcp, [&](net::stream& line, const std::string& text) {
      return as_written_for_threads(
          line, text, [](int fd, const std::string& all) { return ::send(fd, all.data(), all.size(), MSG_NOSIGNAL); });
    });
    check(tcp, [&](net::stream& line, const std::string& text) {
      return as_written_for_threads(line, text, [](int fd, const std::string& all) {
        char* const data = const_cast<char*>(all.data());
        const iovec pieces[2] = {{data, size / 2}, {data + size / 2, size - size / 2}};
        return ::writev(fd, pieces, 2);
      });
    });
  }
}
