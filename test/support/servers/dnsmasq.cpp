#include "test/support/servers/installed.h"
#include "test/support/servers/kinds.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>

namespace csp_test {
namespace {

/// True when a DNS server on the port knows the name, which only ours does: a query by hand (RFC 1035, section 4).
bool knows(int port, const std::string& name) {
  std::string query("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12);
  query += static_cast<char>(name.size());
  query += name + std::string("\x04test\x00\x00\x01\x00\x01", 10);
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(static_cast<std::uint16_t>(port));
  peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  char reply[512];
  pollfd answer{fd, POLLIN, 0};
  const bool known = ::connect(fd, reinterpret_cast<const sockaddr*>(&peer), sizeof peer) == 0 &&
                     ::send(fd, query.data(), query.size(), 0) > 0 && ::poll(&answer, 1, 100) > 0 &&
                     ::recv(fd, reply, sizeof reply, 0) > 12 && (reply[3] & 0x0f) == 0;
  ::close(fd);
  return known;
}

}  // namespace

std::unique_ptr<server> start_dnsmasq() {
  const auto found = installed("dnsmasq-base", usual_folders, {"dnsmasq"});
  if (found.empty()) {
    return nullptr;
  }
  server_plan plan;
  plan.name = "dnsmasq";
  plan.prepare = [](server&) {};
  plan.serve = [=](server& self) {
    command what{found[0],
                 "--keep-in-foreground",
                 "--port=" + std::to_string(self.port()),
                 "--listen-address=127.0.0.1",
                 "--bind-interfaces",
                 "--no-resolv",
                 "--no-hosts",
                 "--conf-file=/dev/null",
                 "--pid-file=",
                 "--user=",
                 "--local=/test/",
                 "--local=/10.in-addr.arpa/",
                 "--address=/nameless.test/10.0.1.1",
                 "--host-record=csp-" + std::to_string(::getpid()) + ".test,10.0.2.1"};
    for (int i = 0; i < dnsmasq_hosts; ++i) {
      const std::string number = std::to_string(i);
      what.push_back("--host-record=host" + number + ".test,10.0.0." + number);
    }
    return what;
  };
  plan.ready = [](server& self) { return knows(self.port(), "csp-" + std::to_string(::getpid())); };
  plan.stop_signal = SIGTERM;
  return std::make_unique<server>(plan);
}

}  // namespace csp_test
