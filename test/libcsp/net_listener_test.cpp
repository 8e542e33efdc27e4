// Listening sockets.
#include "test/support/net.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using csp_test::expectations;
using csp_test::on_each_topology;
using csp_test::tcp_line;
using csp_test::until_waiting;
namespace net = csp::net;

namespace {

/// While it lives, the process gets no more file descriptors.
class exhaustion {
 public:
  exhaustion() {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
    const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::close(next);
    rlimit none = before_;
    none.rlim_cur = static_cast<rlim_t>(next);
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~exhaustion() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  exhaustion(const exhaustion&) = delete;
  exhaustion& operator=(const exhaustion&) = delete;

 private:
  rlimit before_{};
};

/// As many as the limit of descriptors has room for, both ends being ours; a thousand where it is not low.
std::ptrdiff_t connections_at_once() {
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  return std::min<std::ptrdiff_t>(1000, static_cast<std::ptrdiff_t>(limit.rlim_cur) / 2 - 100);
}

}  // namespace

TEST_CASE("eight acceptors and a thousand connections in one burst: all are served") {
  on_each_topology([](expectations& expect, unsigned) {
    const int connections = static_cast<int>(std::min<std::size_t>(1000, 10 * csp_test::scaled(1000)));
    auto door = net::listener::bind("127.0.0.1", 0).value();
    std::atomic<int> served{0};
    csp::wait_group acceptors;
    for (int i = 0; i < 8; ++i) {
      acceptors.go([&] {
        while (auto line = door.accept()) {
          char byte = 0;
          expect(line->read(&byte, 1).value() == 1 && !line->write_all(&byte, 1), "served");
          served.fetch_add(1);
        }
      });
    }
    csp::wait_group clients;
    csp::semaphore at_once(connections_at_once());
    for (int i = 0; i < connections; ++i) {
      clients.go([&, i] {
        at_once.acquire();
        auto line = net::connect(door.local());
        expect(bool{line}, "connected");
        const char byte = static_cast<char>(i);
        char answer = 0;
        expect(line && !line->write_all(&byte, 1) && !line->read_exactly(&answer, 1) && answer == byte, "answered");
        at_once.release();
      });
    }
    clients.wait();
    door.close();
    acceptors.wait();
    expect(served.load() == connections, "each once");
  });
}

TEST_CASE("connections that all wait in the backlog before the acceptors come") {
  on_each_topology([](expectations& expect, unsigned) {
    auto door = net::listener::bind("127.0.0.1", 0).value();
    std::vector<net::stream> clients;
    for (int i = 0; i < 100; ++i) clients.push_back(net::connect(door.local()).value());
    std::atomic<int> accepted{0};
    csp::wait_group all;
    for (int i = 0; i < 8; ++i) {
      all.go([&] {
        while (auto line = door.accept()) accepted.fetch_add(1);
      });
    }
    while (accepted.load() < 100) csp::yield();
    door.close();
    all.wait();
    expect(accepted.load() == 100, "all");
  });
}

TEST_CASE("without descriptors accept backs off, connections go on, and it resumes") {
  on_each_topology([](expectations& expect, unsigned) {
    auto door = net::listener::bind("127.0.0.1", 0).value();
    tcp_line line;
    std::vector<net::stream> clients;
    for (int i = 0; i < 10; ++i) clients.push_back(net::connect(door.local()).value());
    std::atomic<int> accepted{0};
    csp::wait_group acceptors;
    auto shortage = std::make_unique<exhaustion>();
    for (int i = 0; i < 3; ++i) {
      acceptors.go([&] {
        std::vector<net::stream> held;
        for (;;) {
          auto taken = door.accept();
          if (!taken) {
            expect(taken.error() == std::errc::bad_file_descriptor, "no other error");
            return;
          }
          held.push_back(std::move(*taken));
          accepted.fetch_add(1);
        }
      });
    }
    const auto start = csp::clock::now();
    while (csp::clock::now() - start < 20ms) {
      char byte = 0;
      expect(!line.client.write_all("x") && line.server.read(&byte, 1).value() == 1, "others go on");
      csp::yield();
    }
    expect(accepted.load() == 0, "none could be taken");
    shortage.reset();
    while (accepted.load() < 10) csp::yield();
    clients.push_back(net::connect(door.local()).value());
    while (accepted.load() < 11) csp::yield();
    door.close();
    acceptors.wait();
  });
}

TEST_CASE("close, a deadline and a cancel reach an accept that backs off") {
  on_each_topology([](expectations& expect, unsigned) {
    for (int way = 0; way < 3; ++way) {
      auto door = net::listener::bind("127.0.0.1", 0).value();
      tcp_line line;  // brings the poller up
      auto client = net::connect(door.local()).value();
      const exhaustion shortage;
      auto acceptor = csp::spawn({"acceptor"}, [&] { return door.accept().error(); });
      until_waiting("acceptor");
      if (way == 0) {
        door.close();
        expect(acceptor.join() == std::errc::bad_file_descriptor, "closed");
      } else if (way == 1) {
        door.set_deadline(1ms);
        expect(acceptor.join() == std::errc::timed_out, "timed out");
      } else {
        acceptor.cancel();
        bool ended = false;
        try {
          acceptor.join();
        } catch (const csp::canceled&) {
          ended = true;
        }
        expect(ended, "cancelled");
      }
    }
  });
}

TEST_CASE("where a listener is, and who may share it") {
  on_each_topology([](expectations& expect, unsigned) {
    auto door = net::listener::bind("127.0.0.1", 0).value();
    const std::uint16_t port = door.local().port();
    expect(port != 0 && door.local().to_string() == "127.0.0.1:" + std::to_string(port), "a port was chosen");
    expect(net::listener::bind("127.0.0.1", port).error() == std::errc::address_in_use, "it is taken");
    net::listen_options shared;
    shared.reuse_port = true;
    auto first = net::listener::bind("127.0.0.1", 0, shared).value();
    auto second = net::listener::bind(first.local(), shared);
    expect(bool{second} && second->local() == first.local(), "or shared");
    auto any = net::listener::bind("", 0).value();
    for (const char* host : {"127.0.0.1", "::1"}) {
      if (any.local().family() == AF_INET && host[0] == ':') continue;
      auto line = net::connect(host, any.local().port());
      expect(line && any.accept(), "all addresses of the machine");
    }
    auto named = net::listener::bind("localhost", 0);
    expect(named && net::connect("localhost", named->local().port()), "by name");
    expect(net::listener::bind("192.0.2.1", 0).error() == std::errc::address_not_available, "not ours");
    expect(net::listener::bind("no host has spaces", 0).error().category() == net::resolver_category(), "no host");
    net::listener moved(std::move(door));
    expect(!door.is_open() && moved.is_open(), "moved");
    moved = std::move(any);
    expect(moved.is_open() && moved.local().port() != port, "the former one is closed");
    expect(net::connect("127.0.0.1", port).error() == std::errc::connection_refused, "so nobody is there");
    expect(net::listener().accept().error() == std::errc::bad_file_descriptor, "none");
  });
}

TEST_CASE("unix listeners: paths, stale paths, abstract names, a full backlog") {
  on_each_topology([](expectations& expect, unsigned) {
    const csp_test::temporary_folder folder;
    const std::string path = folder.file("door");
    const auto where = net::address::unix_path(path).value();
    const auto exists = [&path] { return ::access(path.c_str(), F_OK) == 0; };
    {
      auto door = net::listener::bind(where).value();
      auto line = net::connect(where).value();
      auto taken = door.accept().value();
      expect(line.peer() == where && taken.local() == where && taken.peer().to_string() == "unix:", "names");
      char byte = 0;
      expect(!line.write_all("x") && taken.read(&byte, 1).value() == 1, "connected");
      expect(net::listener::bind(where).error() == std::errc::address_in_use, "somebody listens");
    }
    expect(!exists(), "the path goes with the listener");
    net::listen_options keep;
    keep.unlink_on_close = false;
    static_cast<void>(net::listener::bind(where, keep).value());
    expect(exists() && net::connect(where).error() == std::errc::connection_refused, "a stale path");
    net::listen_options strict;
    strict.replace_stale = false;
    expect(net::listener::bind(where, strict).error() == std::errc::address_in_use, "is in the way");
    {
      auto door = net::listener::bind(where).value();
      expect(net::connect(where).has_value(), "or is replaced");
      ::unlink(path.c_str());
      ::close(::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
    }
    expect(exists(), "what is not ours stays");
    expect(net::listener::bind(where).error() == std::errc::address_in_use, "no socket is never replaced");
    ::unlink(path.c_str());
    expect(net::connect(where).error() == std::errc::no_such_file_or_directory, "nothing there");

    const auto name = net::address::unix_abstract("csp-test-" + path).value();
    net::listen_options narrow;
    narrow.backlog = 0;
    auto door = net::listener::bind(name, narrow).value();
    csp::wait_group clients;
    for (int i = 0; i < 5; ++i) {
      clients.go([&] { expect(net::connect(name).has_value(), "waits for room in the backlog"); });
    }
    for (int i = 0; i < 5; ++i) expect(door.accept().has_value(), "each comes");
    clients.wait();
    auto first = net::connect(name).value();
    net::connect_options soon;
    soon.deadline = csp::clock::now() + 5ms;
    expect(net::connect(name, soon).error() == std::errc::timed_out, "or not in time");
  });
}
