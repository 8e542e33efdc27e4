// csp::net's connections: what goes through a stream, its ends and its errors.
#include "test/support/net.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <array>
#include <chrono>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using csp_test::expectations;
using csp_test::on_each_topology;
using csp_test::pattern;
using csp_test::tcp_line;
using csp_test::until_waiting;
namespace net = csp::net;

TEST_CASE("an echo server serves many clients at once") {
  on_each_topology([](expectations& expect, unsigned) {
    auto server = net::listener::bind("127.0.0.1", 0).value();
    auto acceptor = csp::spawn([&] {
      csp::wait_group served;
      for (;;) {
        auto connection = server.accept();
        if (!connection) {
          served.wait();
          return connection.error();
        }
        served.go([line = std::move(*connection)]() mutable {
          char buffer[256];
          for (;;) {
            const auto count = line.read(buffer, sizeof buffer);
            if (!count || *count == 0 || line.write_all(buffer, *count)) break;
          }
        });
      }
    });
    csp::wait_group clients;
    for (int i = 0; i < 20; ++i) {
      clients.go([&, i] {
        auto line = net::connect("127.0.0.1", server.local().port());
        expect(bool{line}, "connected");
        if (!line) return;
        expect(line->peer() == server.local(), "to the server");
        for (int round = 0; round < 50; ++round) {
          const std::string text = std::to_string(i) + ":" + std::to_string(round);
          expect(!line->write_all(text), "sent");
          std::string answer(text.size(), ' ');
          expect(!line->read_exactly(answer.data(), answer.size()) && answer == text, "echoed");
        }
      });
    }
    clients.wait();
    server.close();
    expect(acceptor.join() == std::errc::bad_file_descriptor, "close ends accept");
  });
}

TEST_CASE("a reader and a writer wait on one connection at once") {
  on_each_topology([](expectations& expect, unsigned) {
    tcp_line line;
    const std::string data = pattern(2'000'000);
    auto reader = csp::spawn({"reader"}, [&] {
      std::string got(5, ' ');
      expect(!line.client.read_exactly(got.data(), got.size()), "it reads");
      return got;
    });
    auto writer = csp::spawn({"writer"}, [&] { return line.client.write_all(data); });
    until_waiting("reader");
    until_waiting("writer");
    expect(!line.server.write_all("hello"), "the peer sends while it takes nothing");
    expect(reader.join() == "hello", "the reader wakes for its own event");
    std::string got(data.size(), '\0');
    expect(!line.server.read_exactly(got.data(), got.size()) && got == data, "then all that was written comes");
    expect(!writer.join(), "and the writer ends");
  });
}

TEST_CASE("several readers share what comes, several writers take turns") {
  on_each_topology([](expectations& expect, unsigned) {
    tcp_line line;
    constexpr int each = 500;
    std::atomic<int> got{0};
    csp::wait_group readers;
    for (int i = 0; i < 4; ++i) {
      readers.go([&] {
        char byte = 0;
        while (line.server.read(&byte, 1).value() == 1) got.fetch_add(1);
      });
    }
    csp::wait_group writers;
    for (int i = 0; i < 4; ++i) {
      writers.go([&] {
        for (int n = 0; n < each; ++n) {
          expect(!line.client.write_all("x"), "written");
          if (n % 50 == 0) csp::yield();
        }
      });
    }
    writers.wait();
    expect(!line.client.shutdown(net::direction::write), "the end");
    readers.wait();
    expect(got.load() == 4 * each, "each byte once");
  });
}

TEST_CASE("vectors of pieces, also more than the system takes at once") {
  on_each_topology([](expectations& expect, unsigned) {
    tcp_line line;
    const std::string data = pattern(3000);
    std::vector<iovec> pieces;
    for (const char& byte : data) pieces.push_back({const_cast<char*>(&byte), 1});
    std::size_t done = 0;
    while (done < pieces.size()) {
      const auto count = line.client.writev(std::span<const iovec>(pieces).subspan(done));
      expect(count && *count > 0 && *count <= 1024, "what one call takes");
      done += count.value();
    }
    std::array<char, 100> head{};
    std::string tail(data.size() - head.size(), '\0');
    std::size_t got = 0;
    while (got < data.size()) {
      const std::size_t in_head = std::min(got, head.size());
      const std::array<iovec, 2> parts{iovec{head.data() + in_head, head.size() - in_head},
                                       iovec{tail.data() + (got - in_head), tail.size() - (got - in_head)}};
      got += line.server.readv(parts).value();
    }
    expect(std::string(head.data(), head.size()) + tail == data, "in order");
    expect(line.server.readv({}).value() == 0 && line.client.writev({}).value() == 0, "nothing to do");
    expect(line.server.read(nullptr, 0).value() == 0 && line.client.write("").value() == 0, "at once");
  });
}

TEST_CASE("ten megabytes to a slow peer, while a ticker ticks") {
  on_each_topology([](expectations& expect, unsigned) {
    tcp_line line;
    const std::string data = pattern(csp_test::scaled(10'000'000));
    std::atomic<bool> over{false};
    std::atomic<int> ticks{0};
    auto ticker = csp::spawn([&] {
      while (!over.load()) {
        csp::sleep_for(1ms);
        ticks.fetch_add(1);
      }
    });
    auto writer = csp::spawn([&] {
      std::size_t sent = 0;
      const auto error = line.client.write_all(data, &sent);
      expect(!error && sent == data.size(), "all is written");
      expect(!line.client.shutdown(net::direction::write), "the end");
    });
    std::string got;
    std::string buffer(100'000, '\0');
    for (;;) {
      const auto count = line.server.read(buffer.data(), buffer.size());
      if (!count || *count == 0) break;
      got.append(buffer, 0, *count);
      csp::sleep_for(200us);
    }
    writer.join();
    over = true;
    ticker.join();
    expect(got == data, "every byte");
    expect(ticks.load() > 2, "others went on");
  });
}

TEST_CASE("a task whose operations never wait lets others have their turn") {
  csp::options options;
  options.processors = 1;
  options.spares = 0;
  expectations expect;
  csp::run(options, [&] {
    auto [left, right] = net::pair().value();
    std::atomic<bool> had_its_turn{false};
    csp::go([&] { had_its_turn = true; });
    int operations = 0;
    while (!had_its_turn.load() && operations < 10'000) {
      char byte = 'x';
      expect(!left.write_all(&byte, 1) && !right.read_exactly(&byte, 1), "there is always room, and always data");
      operations += 2;
    }
    expect(had_its_turn.load(), "soon enough");
  });
  expect.verify();
}

TEST_CASE("half-close: one direction ends, the other goes on") {
  on_each_topology([](expectations& expect, unsigned) {
    tcp_line line;
    auto reader = csp::spawn({"reader"}, [&] {
      char byte = 0;
      return line.server.read(&byte, 1).value();
    });
    until_waiting("reader");
    expect(!line.client.shutdown(net::direction::write), "one half ends");
    expect(reader.join() == 0, "the peer reads the end");
    expect(line.client.write("x").error() == std::errc::broken_pipe, "no SIGPIPE, an error");
    expect(!line.server.write_all("still"), "the other half works");
    std::string got(5, ' ');
    expect(!line.client.read_exactly(got.data(), got.size()) && got == "still", "and arrives");
    auto own = csp::spawn({"own"}, [&] {
      char byte = 0;
      return line.client.read(&byte, 1).value();
    });
    until_waiting("own");
    expect(!line.client.shutdown(net::direction::read), "our reading half");
    expect(own.join() == 0, "wakes our reader with the end");
    expect(!line.server.shutdown(net::direction::both), "both");
    expect(line.server.write("x").error() == std::errc::broken_pipe, "broken");
  });
}

TEST_CASE("an end within read_exactly, and how far it came") {
  on_each_topology([](expectations& expect, unsigned) {
    tcp_line line;
    expect(!line.client.write_all("abc"), "three bytes");
    line.client.close();
    std::string got(10, '.');
    std::size_t done = 99;
    expect(line.server.read_exactly(got.data(), got.size(), &done) == net::errc::end_of_stream, "a named error");
    expect(done == 3 && got == "abc.......", "what came is there");
    expect(line.server.read_exactly(got.data(), 0, &done) == std::error_code() && done == 0, "nothing to read");
    expect(line.server.read(got.data(), 1).value() == 0, "the end stays");
  });
}

TEST_CASE("a reset in mid-message is an error on both sides, and tells how far it came") {
  on_each_topology([](expectations& expect, unsigned) {
    tcp_line line;
    auto reader = csp::spawn({"reader"}, [&] {
      std::string got(10, '.');
      std::size_t done = 0;
      const auto error = line.server.read_exactly(got.data(), got.size(), &done);
      return std::pair(error, done);
    });
    expect(!line.client.write_all("abcd"), "a part");
    until_waiting("reader");
    const linger at_once{1, 0};
    expect(::setsockopt(line.client.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0, "");
    line.client.close();
    const auto [error, done] = reader.join();
    expect(error == std::errc::connection_reset, "reset");
    expect(done <= 4, "no more than came");
    std::size_t sent = 0;
    const auto failed = line.server.write_all(pattern(100'000), &sent);
    expect(failed == std::errc::broken_pipe || failed == std::errc::connection_reset, "so does writing");
    expect(sent < 100'000, "not all was taken");
  });
}

TEST_CASE("a pair of unix streams") {
  on_each_topology([](expectations& expect, unsigned) {
    auto [left, right] = net::pair().value();
    expect((::fcntl(left.native_handle(), F_GETFD) & FD_CLOEXEC) != 0, "closed on exec");
    expect((::fcntl(right.native_handle(), F_GETFL) & O_NONBLOCK) != 0, "not blocking");
    expect(left.local().to_string() == "unix:" && left.peer().family() == AF_UNIX, "without a name");
    auto partner = csp::spawn([&, other = std::move(right)]() mutable {
      char byte = 0;
      while (other.read(&byte, 1).value() == 1) expect(!other.write_all(&byte, 1), "back");
    });
    for (int i = 0; i < 200; ++i) {
      const char ball = static_cast<char>(i);
      char back = 0;
      expect(!left.write_all(&ball, 1) && !left.read_exactly(&back, 1) && back == ball, "to and fro");
    }
    left.close();
    partner.join();
  });
}

TEST_CASE("options, addresses and the descriptor itself") {
  on_each_topology([](expectations& expect, unsigned) {
    tcp_line line;
    expect(line.client.local() == line.server.peer() && line.server.local() == line.client.peer(), "the two names");
    for (net::stream* each : {&line.client, &line.server}) {
      expect(each->option(IPPROTO_TCP, TCP_NODELAY).value() != 0, "small messages go at once");
      expect(!each->set_no_delay(false) && each->option(IPPROTO_TCP, TCP_NODELAY).value() == 0, "or not");
      expect(!each->set_keep_alive(true) && each->option(SOL_SOCKET, SO_KEEPALIVE).value() != 0, "kept alive");
      expect((::fcntl(each->native_handle(), F_GETFD) & FD_CLOEXEC) != 0, "closed on exec");
      expect((::fcntl(each->native_handle(), F_GETFL) & O_NONBLOCK) != 0, "not blocking");
    }
    expect(line.client.set_option(IPPROTO_TCP, 12345, 1) == std::errc::no_protocol_option, "the system's error");
    expect(line.client.option(IPPROTO_TCP, 12345).error() == std::errc::no_protocol_option, "here too");
    const int number = line.client.release();
    expect(number >= 0 && !line.client.is_open() && line.client.native_handle() == -1, "given away");
    expect(line.client.release() == -1, "once");
    auto again = net::stream::adopt(number).value();
    expect(!again.write_all("x"), "and taken again");
    char byte = 0;
    expect(line.server.read(&byte, 1).value() == 1, "it works");
  });
}

TEST_CASE("what cannot be a stream is not adopted, and a closed one only says so") {
  const int file = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  CHECK(net::stream::adopt(file).error() == std::errc::not_a_socket);
  ::close(file);
  const int datagrams = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  CHECK(net::stream::adopt(datagrams).error() == std::errc::wrong_protocol_type);
  ::close(datagrams);
  CHECK(net::stream::adopt(-1).error() == std::errc::bad_file_descriptor);
  net::stream none;
  for (int round = 0; round < 2; ++round) {
    char byte = 0;
    CHECK(none.read(&byte, 1).error() == std::errc::bad_file_descriptor);
    CHECK(none.write("x").error() == std::errc::bad_file_descriptor);
    CHECK(none.write_all("x") == std::errc::bad_file_descriptor);
    CHECK(none.shutdown(net::direction::both) == std::errc::bad_file_descriptor);
    CHECK(none.set_no_delay(true) == std::errc::bad_file_descriptor);
    CHECK(none.option(SOL_SOCKET, SO_TYPE).error() == std::errc::bad_file_descriptor);
    CHECK((!none.peer() && !none.local() && !none.is_open() && none.native_handle() == -1 && none.release() == -1));
    none.set_deadline(1ms);
    none.clear_deadline();
    none.close();
    none = std::move(net::pair()->first);
    CHECK(none.is_open());
    none.close();
  }
}
