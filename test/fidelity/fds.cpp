#include "test/fidelity/fds.h"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

namespace fidelity {

void owned_fd::reset() noexcept {
  if (number_ >= 0) {
    ::close(std::exchange(number_, -1));
  }
}

int must(int value, const char* what) {
  if (value < 0) {
    throw std::system_error(errno, std::generic_category(), what);
  }
  return value;
}

address loopback(int family) {
  address made;
  made.storage.ss_family = static_cast<sa_family_t>(family);
  if (family == AF_INET) {
    reinterpret_cast<sockaddr_in*>(&made.storage)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    made.size = sizeof(sockaddr_in);
  } else {
    reinterpret_cast<sockaddr_in6*>(&made.storage)->sin6_addr = in6addr_loopback;
    made.size = sizeof(sockaddr_in6);
  }
  return made;
}

owned_fd tcp_listener(int family, int backlog, int flags) {
  owned_fd listener(must(::socket(family, SOCK_STREAM | flags, 0), "socket"));
  const address any = loopback(family);
  must(::bind(listener, any.get(), any.size), "bind");
  must(::listen(listener, backlog), "listen");
  return listener;
}

owned_fd udp_socket(int family) {
  owned_fd made(must(::socket(family, SOCK_DGRAM, 0), "socket"));
  const address any = loopback(family);
  must(::bind(made, any.get(), any.size), "bind");
  return made;
}

address name_of_socket(int fd) {
  address name;
  must(::getsockname(fd, name.get(), &name.size), "getsockname");
  return name;
}

address name_of_peer(int fd) {
  address name;
  must(::getpeername(fd, name.get(), &name.size), "getpeername");
  return name;
}

address unix_address(const std::string& path) {
  address made;
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  path.copy(name.sun_path, sizeof name.sun_path - 1);
  std::memcpy(&made.storage, &name, sizeof name);
  made.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return made;
}

address nobody(int family) {
  // Bound, but not listening: a connect is refused, and no other program gets the port meanwhile.
  static owned_fd holders[2];
  owned_fd& holder = holders[family == AF_INET ? 0 : 1];
  if (holder < 0) {
    holder = owned_fd(must(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
    const address any = loopback(family);
    must(::bind(holder, any.get(), any.size), "bind");
  }
  return name_of_socket(holder);
}

std::string address_text(const address& of, const address* known) {
  std::string text = "size " + std::to_string(of.size) + ' ';
  char host[INET6_ADDRSTRLEN] = "";
  in_port_t port = 0;
  if (of.storage.ss_family == AF_INET) {
    const auto* const name = reinterpret_cast<const sockaddr_in*>(&of.storage);
    static_cast<void>(::inet_ntop(AF_INET, &name->sin_addr, host, sizeof host));
    port = name->sin_port;
  } else if (of.storage.ss_family == AF_INET6) {
    const auto* const name = reinterpret_cast<const sockaddr_in6*>(&of.storage);
    static_cast<void>(::inet_ntop(AF_INET6, &name->sin6_addr, host, sizeof host));
    port = name->sin6_port;
  } else {
    return text + "family " + std::to_string(of.storage.ss_family);
  }
  text += host;
  if (known == nullptr) {
    return text + (port != 0 ? " with a port" : " without a port");
  }
  const auto* const other = reinterpret_cast<const sockaddr_in*>(&known->storage);  // sin6_port lies at the same place
  return text + (port == other->sin_port ? " the known port" : " another port");
}

bool put(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written <= 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

std::string get(int fd, std::size_t size) {
  std::string bytes(size, '\0');
  std::size_t filled = 0;
  while (filled < size) {
    const ssize_t got = ::read(fd, bytes.data() + filled, size - filled);
    if (got <= 0) {
      break;
    }
    filled += static_cast<std::size_t>(got);
  }
  bytes.resize(filled);
  return bytes;
}

std::string flags_text(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  const int own = ::fcntl(fd, F_GETFD);
  if (flags < 0 || own < 0) {
    return error_name(errno);
  }
  static constexpr const char* modes[] = {"r", "w", "rw", "?"};
  std::string text = modes[flags & O_ACCMODE];
  text += (flags & O_NONBLOCK) != 0 ? " nonblock" : "";
  text += (flags & O_APPEND) != 0 ? " append" : "";
  text += (flags & O_ASYNC) != 0 ? " async" : "";
  text += (flags & O_DIRECT) != 0 ? " direct" : "";
  text += (own & FD_CLOEXEC) != 0 ? " cloexec" : "";
  return text;
}

void linger_zero(int fd) {
  const linger now{1, 0};
  must(::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), "SO_LINGER");
}

void set_timeout(int fd, int option, long seconds, long microseconds) {
  const timeval limit{seconds, microseconds};
  must(::setsockopt(fd, SOL_SOCKET, option, &limit, sizeof limit), "a socket's timeout");
}

std::string timeout_text(int fd, int option) {
  timeval limit{-1, -1};
  socklen_t size = sizeof limit;
  const result asked = call([&] { return ::getsockopt(fd, SOL_SOCKET, option, &limit, &size); });
  if (asked.value != 0) {
    return error_name(asked.error);
  }
  // Kept in ticks of the kernel, so rounded up to 10 ms at the most.
  const long milliseconds = limit.tv_sec * 1000 + limit.tv_usec / 1000;
  return std::to_string((milliseconds + 9) / 10 * 10) + " ms";
}

void* bad_address() {
  static void* const page = ::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return page;
}

temporary_folder::temporary_folder(const char* parent) : path_(std::string(parent) + "/csp-fidelity-XXXXXX") {
  if (::mkdtemp(path_.data()) == nullptr) {
    throw std::system_error(errno, std::generic_category(), "mkdtemp");
  }
}

temporary_folder::~temporary_folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

owned_fd file_with(const temporary_folder& folder, std::string_view content, const char* name) {
  owned_fd made(must(::open(folder.file(name).c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600), "open"));
  put(made, content);
  ::lseek(made, 0, SEEK_SET);
  return made;
}

}  // namespace fidelity
