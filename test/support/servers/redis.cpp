#include "test/support/servers/installed.h"
#include "test/support/servers/kinds.h"

#include <csignal>

namespace csp_test {

std::unique_ptr<server> start_redis() {
  const auto found = installed("redis-server", usual_folders, {"redis-server"});
  if (found.empty()) {
    return nullptr;
  }
  server_plan plan;
  plan.name = "redis";
  plan.prepare = [](server&) {};
  plan.serve = [=](server& self) {
    // It looks for waits that are over `hz` times a second.
    return command{found[0],
                   "--bind",
                   "127.0.0.1",
                   "--port",
                   std::to_string(self.port()),
                   "--unixsocket",
                   "socket",
                   "--dir",
                   ".",
                   "--save",
                   "",
                   "--appendonly",
                   "no",
                   "--hz",
                   "100",
                   "--maxclients",
                   "300",
                   "--daemonize",
                   "no",
                   "--tcp-backlog",
                   "300"};
  };
  plan.ready = [](server& self) { return self.listens_on("socket"); };
  plan.stop_signal = SIGTERM;
  return std::make_unique<server>(plan);
}

}  // namespace csp_test
