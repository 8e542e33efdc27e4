// Closing a socket under the operations of others, and using its number again.
#include "test/support/net.h"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using csp_test::expectations;
using csp_test::on_each_topology;
using csp_test::tcp_line;
using csp_test::until_waiting;
namespace net = csp::net;

TEST_CASE("close by another task ends each operation that waits") {
  on_each_topology([](expectations& expect, unsigned) {
    tcp_line line;
    auto door = net::listener::bind("127.0.0.1", 0).value();
    auto box = net::udp::bind("127.0.0.1", 0).value();
    const std::string much = csp_test::pattern(10'000'000);
    char byte = 0;
    std::string buffer(100, ' ');
    const iovec piece{buffer.data(), buffer.size()};
    const std::vector<std::function<std::error_code()>> operations = {
        [&] { return line.client.read(&byte, 1).error(); },
        [&] {
          return line.client.readv({&piece, 1}).error();
        },
        [&] { return line.client.read_exactly(buffer.data(), buffer.size()); },
        [&] { return line.client.write_all(much); },
        [&] { return door.accept().error(); },
        [&] { return door.accept().error(); },
        [&] { return box.receive(&byte, 1).error(); },
        [&] { return box.receive_from(buffer.data(), buffer.size()).error(); },
    };
    std::vector<csp::join_handle<std::error_code>> tasks;
    for (const auto& each : operations) tasks.push_back(csp::spawn({"waits"}, each));
    until_waiting("waits", operations.size());
    line.client.close();
    door.close();
    box.close();
    for (auto& each : tasks) expect(each.join() == std::errc::bad_file_descriptor, "closed");
    for (const auto& each : operations) expect(each() == std::errc::bad_file_descriptor, "and so it stays");
    line.client.close();
    expect(!line.client.is_open() && !door.is_open() && !box.is_open(), "all closed");
  });
}

TEST_CASE("a number that is used again does not wake who waited for it, nor serve them") {
  on_each_topology([](expectations& expect, unsigned) {
    const std::size_t rounds = csp_test::scaled(300);
    for (std::size_t round = 0; round < rounds; ++round) {
      auto [old, old_peer] = net::pair().value();
      auto reader = csp::spawn({"reader"}, [&line = old] {
        char byte = 0;
        const auto count = line.read(&byte, 1);
        return count ? std::error_code() : count.error();
      });
      if (round % 2 == 0) until_waiting("reader");
      old.close();
      // The new pair most often gets the number at once, if the reader has left; there is data in it from the start.
      auto [fresh, fresh_peer] = net::pair().value();
      expect(!fresh_peer.write_all("x"), "data for the new one");
      expect(reader.join() == std::errc::bad_file_descriptor, "the old reader is told that it was closed");
      char byte = 0;
      expect(fresh.read(&byte, 1).value() == 1 && byte == 'x', "the new one has its byte");
    }
  });
}

TEST_CASE("a reader of the new socket is not woken by the old one's end") {
  on_each_topology([](expectations& expect, unsigned) {
    auto [old, old_peer] = net::pair().value();
    const int number = old.native_handle();
    auto reader = csp::spawn({"old"}, [&line = old] {
      char byte = 0;
      return line.read(&byte, 1).error();
    });
    until_waiting("old");
    old.close();
    reader.join();
    auto [fresh, fresh_peer] = net::pair().value();
    expect(fresh.native_handle() == number || fresh_peer.native_handle() == number, "the number is used again");
    auto again = csp::spawn({"new"}, [&line = fresh] {
      char byte = 0;
      return line.read(&byte, 1).value();
    });
    until_waiting("new");
    old_peer.close();
    for (int i = 0; i < 100; ++i) csp::yield();
    expect(csp_test::waiting("new") == 1, "it waits on");
    expect(!fresh_peer.write_all("x") && again.join() == 1, "for its own data");
  });
}

TEST_CASE("the peer of a socket that is closed while others use it sees the end") {
  on_each_topology([](expectations& expect, unsigned) {
    tcp_line line;
    auto reader = csp::spawn({"reader"}, [&] {
      char byte = 0;
      return line.server.read(&byte, 1).error();
    });
    until_waiting("reader");
    line.server.close();
    char byte = 0;
    expect(line.client.read(&byte, 1).value() == 0, "the number went back to the system when the reader had left");
    reader.join();
  });
}

TEST_CASE("many tasks close, read, write and look at one socket at once") {
  on_each_topology([](expectations& expect, unsigned) {
    const std::size_t rounds = csp_test::scaled(200);
    for (std::size_t round = 0; round < rounds; ++round) {
      auto ends = net::pair().value();
      csp::wait_group all;
      std::atomic<int> closers{0};
      for (int i = 0; i < 3; ++i) {
        all.go([&] {
          char byte = 0;
          for (;;) {
            const auto count = ends.first.read(&byte, 1);
            if (!count) {
              expect(count.error() == std::errc::bad_file_descriptor, "until it was closed");
              break;
            }
            if (*count == 0) break;
          }
        });
        all.go([&] {
          while (!ends.second.write_all("x")) csp::yield();
        });
        all.go([&] {
          for (int n = 0; n < 20; ++n) {
            static_cast<void>(ends.first.local());
            static_cast<void>(ends.first.option(SOL_SOCKET, SO_TYPE));
            ends.first.set_deadline(1h);
            csp::yield();
          }
          ends.first.close();
          ends.second.close();
          closers.fetch_add(1);
        });
      }
      all.wait();
      expect(closers.load() == 3, "all have ended");
    }
  });
}

TEST_CASE("a release ends who waits and leaves the number open") {
  on_each_topology([](expectations& expect, unsigned) {
    auto [left, right] = net::pair().value();
    auto reader = csp::spawn({"reader"}, [&line = left] {
      char byte = 0;
      return line.read(&byte, 1).error();
    });
    until_waiting("reader");
    const int number = left.release();
    expect(reader.join() == std::errc::bad_file_descriptor, "as closed");
    expect(::write(number, "x", 1) == 1, "the number is open");
    char byte = 0;
    expect(right.read(&byte, 1).value() == 1, "and connected");
    ::close(number);
    expect(right.read(&byte, 1).value() == 0, "until the caller closes it");
  });
}

TEST_CASE("a stream moves away under an operation, and the last owner closes it") {
  on_each_topology([](expectations& expect, unsigned) {
    auto ends = net::pair().value();
    auto line = std::make_unique<net::stream>(std::move(ends.first));
    auto reader = csp::spawn({"reader"}, [&] {
      char byte = 0;
      const auto count = line->read(&byte, 1);
      return count ? *count : 99;
    });
    until_waiting("reader");
    line->clear_deadline();  // after this the reader looks at the object no more, also in a sanitizer's eyes
    net::stream moved(std::move(*line));
    line.reset();
    expect(!ends.second.write_all("x") && reader.join() == 1, "the read goes on");
    auto second = csp::spawn({"reader"}, [&] {
      char byte = 0;
      return moved.read(&byte, 1).error();
    });
    until_waiting("reader");
    moved.clear_deadline();
    moved = net::stream();
    expect(second.join() == std::errc::bad_file_descriptor, "dropped: closed");
    char byte = 0;
    expect(ends.second.read(&byte, 1).value() == 0, "the peer sees the end");
  });
}
