// What the tests of csp::net share: connected pairs, and waiting until others wait.
#pragma once

#include <libcsp/csp.h>

#include "test/support/topologies.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace csp_test {

/// A tcp connection over loopback, both ends.
struct tcp_line {
  csp::net::stream client;
  csp::net::stream server;
  tcp_line() {
    auto door = csp::net::listener::bind("127.0.0.1", 0).value();
    client = csp::net::connect(door.local()).value();  // the backlog takes it
    server = door.accept().value();
    // Small ones: what is sent without being read soon fills them.
    for (csp::net::stream* each : {&client, &server}) {
      static_cast<void>(each->set_option(SOL_SOCKET, SO_SNDBUF, 32 * 1024));
      static_cast<void>(each->set_option(SOL_SOCKET, SO_RCVBUF, 32 * 1024));
    }
  }
};

/// Tasks of that name that wait for something.
inline std::size_t waiting(std::string_view name) {
  const auto all = csp::tasks();
  return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [name](const csp::task_info& each) {
    return each.name == name && each.state != "running";
  }));
}

/// Lets others run until `count` tasks of that name wait for something.
inline void until_waiting(std::string_view name, std::size_t count = 1) {
  while (waiting(name) < count) csp::yield();
}

/// Bytes that differ from place to place.
inline std::string pattern(std::size_t size) {
  std::string made(size, '\0');
  for (std::size_t i = 0; i < size; ++i) made[i] = static_cast<char>(i * 7 + i / 251);
  return made;
}

/// A folder that goes with all that is in it.
class temporary_folder {
 public:
  temporary_folder() : path_("/tmp/csp-test-XXXXXX") { REQUIRE(::mkdtemp(path_.data()) != nullptr); }
  ~temporary_folder() { static_cast<void>(::rmdir(path_.c_str())); }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;
  [[nodiscard]] std::string file(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace csp_test
