// Ten thousand connections, held and served by one process, with all sorts of peers among them: brisk ones, slow
// readers, slow writers, those that reset in the middle of a message, and those that fall silent in the middle of one.
// The clients are another process. Every byte is accounted for on both sides.
#include "test/support/topologies.h"

#include <libcsp/net.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <vector>

using namespace std::chrono_literals;
using csp_test::expectations;

namespace {

/// What the server tells of its connections: those that ended in order, and those that were reset.
struct tally {
  std::uint64_t ended = 0;
  std::uint64_t broken = 0;
  std::uint64_t bytes_in = 0;  // of those that ended in order, as the next
  std::uint64_t bytes_out = 0;
  std::uint64_t bytes_in_broken = 0;
};

struct counters {
  std::atomic<std::uint64_t> ended{0}, broken{0}, bytes_in{0}, bytes_out{0}, bytes_in_broken{0};
};

constexpr std::size_t largest_message = 64 * 1024;
constexpr std::size_t header_size = sizeof(std::uint32_t);

/// What the n-th byte of a connection's stream is.
char pattern(std::size_t connection, std::size_t at) { return static_cast<char>(connection * 31 + at * 7 + at / 251); }

// --- the server
// -------------------------------------------------------------------------------------------------------

/// Echoes messages of a length and so many bytes.
void serve(csp::net::stream& peer, counters& sums) {
  std::uint64_t in = 0;
  std::uint64_t out = 0;
  std::vector<char> message;
  std::error_code ended;
  for (;;) {
    std::uint32_t size = 0;
    std::size_t got = 0;
    ended = peer.read_exactly(&size, sizeof size, &got);
    in += got;
    if (ended || size > largest_message) break;
    message.resize(size);
    ended = peer.read_exactly(message.data(), size, &got);
    in += got;
    if (ended) break;
    std::size_t sent = 0;
    ended = peer.write_all(message.data(), size, &sent);
    out += sent;
    if (ended) break;
  }
  if (ended == csp::net::errc::end_of_stream) {
    sums.ended += 1;
    sums.bytes_in += in;
    sums.bytes_out += out;
  } else {
    sums.broken += 1;
    sums.bytes_in_broken += in;
  }
}

/// The server's process. Writes its port to `control`, serves `count` connections to their ends, writes its tally.
int run_server(int control, std::size_t count) {
  csp::options two;
  two.processors = 2;
  counters sums;
  csp::run(two, [&] {
    auto listener = csp::net::listener::bind("127.0.0.1", 0).value();
    const std::uint16_t port = listener.local().port();
    if (::write(control, &port, sizeof port) != sizeof port) return;
    csp::wait_group all;
    for (std::size_t i = 0; i < count; ++i) {
      auto peer = listener.accept();
      if (!peer) return;
      all.add(1);
      csp::go([&, mine = std::move(*peer)]() mutable {
        serve(mine, sums);
        mine.close();
        all.done();
      });
    }
    all.wait();
  });
  const tally result{sums.ended, sums.broken, sums.bytes_in, sums.bytes_out, sums.bytes_in_broken};
  return ::write(control, &result, sizeof result) == sizeof result ? 0 : 1;
}

// --- the clients
// ------------------------------------------------------------------------------------------------------

enum class manner { brisk, slow_writer, slow_reader, resets, falls_silent };

manner manner_of(std::size_t index) {
  constexpr std::array<manner, 10> kinds{manner::slow_writer, manner::slow_reader, manner::resets, manner::falls_silent,
                                         manner::brisk,       manner::brisk,       manner::brisk,  manner::brisk,
                                         manner::brisk,       manner::brisk};
  return kinds[index % kinds.size()];
}

struct client {
  csp::net::stream line;
  std::size_t index = 0;
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
};

std::vector<char> message_of(const client& self, std::size_t size) {
  std::vector<char> text(header_size + size);
  const auto length = static_cast<std::uint32_t>(size);
  std::memcpy(text.data(), &length, sizeof length);
  for (std::size_t i = 0; i < size; ++i) text[header_size + i] = pattern(self.index, i);
  return text;
}

void send_in_pieces(client& self, const std::vector<char>& text, std::size_t piece, std::chrono::microseconds pause,
                    expectations& expect) {
  for (std::size_t at = 0; at < text.size(); at += piece) {
    std::size_t done = 0;
    expect(!self.line.write_all(text.data() + at, std::min(piece, text.size() - at), &done), "sent");
    self.sent += done;
    if (pause != 0us) csp::sleep_for(pause);
  }
}

void receive_in_pieces(client& self, std::size_t size, std::size_t piece, std::chrono::microseconds pause,
                       expectations& expect) {
  std::vector<char> buffer(piece);
  bool same = true;
  for (std::size_t at = 0; at < size;) {
    const auto got = self.line.read(buffer.data(), std::min(piece, size - at));
    expect(got && *got != 0, "received");
    if (!got || *got == 0) return;
    for (std::size_t i = 0; i < *got; ++i) same = same && buffer[i] == pattern(self.index, at + i);
    at += *got;
    self.received += *got;
    if (pause != 0us) csp::sleep_for(pause);
  }
  expect(same, "the bytes that were sent");
}

void talk(client& self, expectations& expect) {
  switch (manner_of(self.index)) {
    case manner::brisk:
      for (std::size_t round = 0; round < 3; ++round) {
        const std::size_t size = 1 + (self.index * 37 + round * 101) % 2000;
        send_in_pieces(self, message_of(self, size), size + header_size, 0us, expect);
        receive_in_pieces(self, size, size, 0us, expect);
      }
      break;
    case manner::slow_writer:
      send_in_pieces(self, message_of(self, 40), 3, 2ms, expect);
      receive_in_pieces(self, 40, 40, 0us, expect);
      break;
    case manner::slow_reader:
      send_in_pieces(self, message_of(self, largest_message), largest_message, 0us, expect);
      receive_in_pieces(self, largest_message, 4096, 2ms, expect);
      break;
    case manner::resets: {
      const auto text = message_of(self, 1000);
      send_in_pieces(self, {text.begin(), text.begin() + 500}, 500, 0us, expect);
      const linger at_once{1, 0};
      ::setsockopt(self.line.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      self.line.close();
      break;
    }
    case manner::falls_silent: {
      const auto text = message_of(self, 1000);
      send_in_pieces(self, {text.begin(), text.begin() + 700}, 700, 0us, expect);
      break;
    }
  }
}

/// Connects all, and only then lets them talk; those that fell silent are ended last.
tally run_clients(std::uint16_t port, std::size_t count, expectations& expect) {
  csp::options two;
  two.processors = 2;
  tally result;
  csp::run(two, [&] {
    std::vector<client> clients(count);
    const auto each = [&](std::size_t at_once, auto body) {
      csp::semaphore room(static_cast<std::ptrdiff_t>(at_once));
      csp::wait_group all;
      for (client& one : clients) {
        room.acquire();
        all.add(1);
        csp::go([&] {
          body(one);
          room.release();
          all.done();
        });
      }
      all.wait();
    };
    std::size_t next = 0;
    for (client& one : clients) one.index = next++;
    each(100, [&](client& one) {
      auto line = csp::net::connect("127.0.0.1", port);
      expect(static_cast<bool>(line), "connected");
      if (line) one.line = std::move(*line);
    });
    int ticks = 0;
    csp::chan<void> over;
    auto ticker = csp::spawn([&] {
      while (csp::select(csp::on_recv(over), csp::on_timeout(1ms)) != 0) ++ticks;
    });
    each(count, [&](client& one) { talk(one, expect); });
    over.close();
    ticker.join();
    expect(ticks >= 10, "others went on meanwhile");
    for (client& one : clients) {
      one.line.close();
      if (manner_of(one.index) == manner::resets) {
        ++result.broken;
        result.bytes_in_broken += one.sent;
      } else {
        ++result.ended;
        result.bytes_in += one.sent;
        result.bytes_out += one.received;
      }
    }
  });
  return result;
}

/// How many connections one process may hold here: `wanted`, or what the limit of descriptors allows.
std::size_t allowed(std::size_t wanted) {
  constexpr rlim_t spare = 100;  // standard streams, pollers, the test's own
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, wanted + spare);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return std::min<std::size_t>(wanted, limit.rlim_cur - spare);
}

}  // namespace

TEST_CASE("ten thousand connections of all sorts are held and served, and every byte is accounted for") {
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const std::size_t wanted = std::max<std::size_t>(csp_test::scaled(10'000), 500);
  const std::size_t count = allowed(wanted);
  if (count < wanted) {
    std::printf("SKIPPED in part: the limit of descriptors allows %zu connections of %zu\n", count, wanted);
  }
  std::array<int, 2> control{};
  REQUIRE(::pipe2(control.data(), O_CLOEXEC) == 0);
  const pid_t server = ::fork();
  REQUIRE(server >= 0);
  if (server == 0) {
    ::close(control[0]);
    ::_exit(run_server(control[1], count));
  }
  ::close(control[1]);
  std::uint16_t port = 0;
  const bool started = ::read(control[0], &port, sizeof port) == sizeof port;
  expectations expect;
  tally asked;
  tally served;
  bool told = false;
  if (started) {
    asked = run_clients(port, count, expect);
    told = ::read(control[0], &served, sizeof served) == sizeof served;
  }
  ::close(control[0]);
  int status = -1;
  CHECK(::waitpid(server, &status, 0) == server);
  ::setrlimit(RLIMIT_NOFILE, &before);
  REQUIRE(started);
  expect.verify();
  REQUIRE(told);
  CHECK(status == 0);
  CHECK(served.ended == asked.ended);
  CHECK(served.broken == asked.broken);
  CHECK(served.bytes_in == asked.bytes_in);
  CHECK(served.bytes_out == asked.bytes_out);
  // A reset may overtake what was sent before it.
  CHECK(served.bytes_in_broken <= asked.bytes_in_broken);
}
