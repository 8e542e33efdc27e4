// blocking_server: a store of keys and values, in plain blocking POSIX calls.
//
//   blocking_server PORT      PORT 0: the system chooses
//
//   client> set colour blue     server> ok
//   client> get colour          server> blue         (or: none)
//   client> delete colour       server> ok           (or: none)
//   client> anything else       server> what?
//
// Teaches: the hooks. Only main knows libcsp; the functions that serve a client are what one would write with a thread
// for each. Because the program is linked with csp::hook, accept, read and write let other tasks run while they wait,
// so one thread serves thousands of clients; when the tasks are cancelled, the calls fail with ECANCELED. The same
// holds for libraries that are blocking inside: clients of databases, of HTTP, of TLS.

#include <libcsp/csp.h>

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>

namespace {

// Longer lines end the connection.
constexpr std::size_t longest_line = 4096;

// The lock is held for no call that waits, so a std::mutex would do as well as a csp::mutex.
class store {
 public:
  std::string answer(const std::string& line) {
    const auto space = line.find(' ');
    const auto second = space == std::string::npos ? space : line.find(' ', space + 1);
    const std::string command = line.substr(0, space);
    const std::string key = space == std::string::npos ? "" : line.substr(space + 1, second - space - 1);
    const std::lock_guard guard(lock_);
    if (command == "set" && second != std::string::npos) {
      values_[key] = line.substr(second + 1);
      return "ok";
    }
    if (command == "get" && !key.empty()) {
      const auto found = values_.find(key);
      return found == values_.end() ? "none" : found->second;
    }
    if (command == "delete" && !key.empty()) {
      return values_.erase(key) == 0 ? "none" : "ok";
    }
    return "what?";
  }

 private:
  csp::mutex lock_;
  std::map<std::string, std::string> values_;  // guarded by lock_
};

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (count < 0 && errno != EINTR) {
      return false;
    }
    text.remove_prefix(count > 0 ? static_cast<std::size_t>(count) : 0);
  }
  return true;
}

// The answers to all complete lines, which are taken off `received`.
std::string answer_lines(store& values, std::string& received) {
  std::string answers;
  std::size_t begin = 0;
  for (auto end = received.find('\n'); end != std::string::npos; end = received.find('\n', begin)) {
    answers += values.answer(received.substr(begin, end - begin)) + "\n";
    begin = end + 1;
  }
  received.erase(0, begin);
  return answers;
}

void serve_client(store& values, int fd) {
  std::string received;
  char buffer[4096];
  while (received.size() <= longest_line) {
    const ssize_t count = ::read(fd, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count <= 0) {
      break;
    }
    received.append(buffer, static_cast<std::size_t>(count));
    if (!write_all(fd, answer_lines(values, received))) {
      break;
    }
  }
  ::close(fd);
}

int check(int result, const char* what) {
  if (result < 0) {
    throw std::system_error(errno, std::generic_category(), what);
  }
  return result;
}

int listen_on(std::uint16_t port) {
  const int fd = check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  constexpr int yes = 1;
  check(::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes), "setsockopt");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  check(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
  check(::listen(fd, SOMAXCONN), "listen");
  return fd;
}

int port_of(int fd) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  check(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
  return ntohs(address.sin_port);
}

// The next client; -1 when the server ends. Out of descriptors it waits until one may be free.
int accept_client(int listener) {
  constexpr timespec moment{.tv_sec = 0, .tv_nsec = 10'000'000};
  for (;;) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) {
      return fd;
    }
    const bool short_of_descriptors = errno == EMFILE || errno == ENFILE;
    const bool passes = short_of_descriptors || errno == EINTR || errno == ECONNABORTED;
    if (!passes || (short_of_descriptors && ::nanosleep(&moment, nullptr) != 0)) {
      return -1;  // ECANCELED, when main's function has returned
    }
  }
}

void serve(int listener) {
  const auto values = std::make_shared<store>();
  for (int fd = accept_client(listener); fd >= 0; fd = accept_client(listener)) {
    csp::go([=] { serve_client(*values, fd); });
  }
  ::close(listener);
}

int run(std::uint16_t port) {
  const csp::receiver<int> stop = csp::signals({SIGINT, SIGTERM});
  const int listener = listen_on(port);
  fmt::print("listening on 127.0.0.1:{}\n", port_of(listener));
  std::fflush(stdout);
  csp::go([=] { serve(listener); });
  static_cast<void>(stop.recv());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 2) {
      throw std::runtime_error("usage: blocking_server PORT");
    }
    const int port = std::stoi(argv[1]);
    return csp::run([=] { return run(static_cast<std::uint16_t>(port)); });
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
