// What waiting for the network costs: nothing while nothing comes.
#include "test/support/net.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

using namespace std::chrono_literals;
namespace net = csp::net;

namespace {

// Context switches of all threads of the process but the caller's.
long switches_of_others() {
  long sum = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    if (entry.path().filename() == std::to_string(::gettid())) continue;
    std::string name;
    std::getline(std::ifstream(entry.path() / "comm") >> std::ws, name);
    if (!name.starts_with("csp-")) continue;  // a sanitizer's threads are not ours
    std::ifstream status(entry.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (line.find("ctxt_switches:") != std::string::npos) sum += std::stol(line.substr(line.find(':') + 1));
    }
  }
  return sum;
}

}  // namespace

TEST_CASE("with an open listener, idle connections and signals awaited, nobody wakes up") {
  for (const unsigned processors : {1U, 4U}) {
    CAPTURE(processors);
    csp::options options;
    options.processors = processors;
    long before = 0;
    long after = 0;
    csp::run(options, [&] {
      auto door = net::listener::bind("127.0.0.1", 0).value();
      csp_test::tcp_line line;
      const auto stop = csp::signals({SIGUSR1});
      csp::go({"waits"}, [&] { static_cast<void>(door.accept()); });
      csp::go({"waits"}, [&] {
        char byte = 0;
        static_cast<void>(line.client.read(&byte, 1));
      });
      csp::go({"waits"}, [&] {
        csp::select(csp::on_readable(line.server.native_handle()), csp::on_recv(stop), csp::on_timeout(24h));
      });
      csp_test::until_waiting("waits", 3);
      csp::blocking([&] {
        for (int attempt = 0; attempt < 30; ++attempt) {  // until all have settled
          before = switches_of_others();
          std::this_thread::sleep_for(200ms);
          if (before == switches_of_others()) break;
        }
        before = switches_of_others();
        std::this_thread::sleep_for(1s);
        after = switches_of_others();
      });
    });
    CHECK(after == before);
  }
}
