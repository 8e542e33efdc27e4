#include "test/support/servers/server.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace csp_test {
namespace {

using namespace std::chrono_literals;

/// A port of 127.0.0.1 that was free just now. Somebody else may take it before the server does.
int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool bound = fd >= 0 && ::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  const int error = errno;
  ::close(fd);
  if (!bound) {
    throw std::system_error(error, std::generic_category(), "no free port");
  }
  return ntohs(address.sin_port);
}

}  // namespace

server::server(server_plan plan) : plan_(std::move(plan)), guard_(plan_.name, plan_.cleanup) {
  give_to_account(folder());
  plan_.prepare(*this);
  for (int tries = 0; tries < 5; ++tries) {
    if (start()) {
      return;
    }
  }
  fail("does not start");
}

server::~server() { stop(); }

bool server::start() {
  process_.reset();
  port_ = free_port();
  process_ = std::make_unique<process>(plan_.serve(*this), folder(), log());
  guard_.watch(process_->id());
  const auto start = std::chrono::steady_clock::now();
  while (!plan_.ready(*this)) {
    if (process_->ended_within(10ms)) {  // also the pause between two looks
      return false;
    }
    if (std::chrono::steady_clock::now() - start > 30s) {
      fail("is not ready after 30 seconds");
    }
  }
  return true;
}

void server::stop() noexcept {
  if (process_ != nullptr) {
    process_->send(plan_.stop_signal);
    if (!process_->ended_within(10s)) {
      process_->send(SIGKILL);
    }
  }
  guard_.release();
  process_.reset();
}

void server::kill() const {
  process_->send(SIGKILL);
  if (!process_->ended_within(10s)) {
    fail("survives SIGKILL");
  }
}

void server::write(const std::string& file, const std::string& text) const {
  const std::string path = folder() + "/" + file;
  std::ofstream out(path);
  out << text << std::flush;
  if (!out) {
    throw std::system_error(EIO, std::generic_category(), path);
  }
  give_to_account(path);
}

bool server::try_run(const command& what) const { return run_process(what, folder(), log()) == 0; }

void server::run(const command& what) const {
  if (!try_run(what)) {
    fail(what.front() + " failed");
  }
}

bool server::listens_on(const std::string& socket) const {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = folder() + "/" + socket;
  std::copy_n(path.begin(), std::min(path.size(), sizeof address.sun_path - 1), address.sun_path);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool connected = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return connected;
}

void server::fail(const std::string& what) const {
  std::ifstream in(log());
  std::string text{std::istreambuf_iterator<char>(in), {}};
  // The end of the log tells why.
  constexpr std::size_t most = 2000;
  text.erase(0, text.size() - std::min(text.size(), most));
  throw std::runtime_error(plan_.name + ": " + what + "\n" + text);
}

}  // namespace csp_test
