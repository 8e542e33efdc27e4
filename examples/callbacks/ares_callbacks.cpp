// ares_callbacks: looks names up by c-ares in the way that c-ares asks for: callbacks, and a loop around poll(2).
//
//   ares_callbacks PORT NAME...      asks the DNS server at 127.0.0.1:PORT
//
// Prints for each name, in the order in which they were given, its address and the name that the address leads back to.
// At most eight names are under way at a time. Its twin, ares_channels, does the same job with tasks: read them side by
// side, or follow docs/porting-callbacks.md from here to there.

#include <ares.h>
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr int most_at_once = 8;

class job;

// One name on its way. What would be a function's variables lives here, from one callback to the next.
struct lookup {
  job* owner = nullptr;
  std::string name;
  std::string address;
  std::string line;  // what is printed in the end
};

class job {
 public:
  job(ares_channel channel, const std::vector<std::string>& names) : channel_(channel) {
    for (const std::string& name : names) {
      lookups_.push_back({this, name, "", ""});
    }
  }

  void run() {
    start_more();
    while (under_way_ > 0) {
      wait_and_process();
    }
    for (const lookup& each : lookups_) {
      fmt::print("{}\n", each.line);
    }
  }

 private:
  // c-ares may call back before it returns; then this is entered again, and the outer call does the work.
  void start_more() {
    if (starting_) {
      return;
    }
    starting_ = true;
    while (under_way_ < most_at_once && next_ < lookups_.size()) {
      ++under_way_;
      lookup& each = lookups_[next_++];
      ::ares_gethostbyname(channel_, each.name.c_str(), AF_INET, on_address, &each);
    }
    starting_ = false;
  }

  // The first step has come to its end: start the second.
  static void on_address(void* context, int status, int, hostent* found) {
    auto& self = *static_cast<lookup*>(context);
    if (status != ARES_SUCCESS) {
      self.owner->finish(self, fmt::format("{}: {}", self.name, ::ares_strerror(status)));
      return;
    }
    in_addr address{};
    std::copy_n(found->h_addr_list[0], sizeof address, reinterpret_cast<char*>(&address));
    char text[INET_ADDRSTRLEN];
    self.address = ::inet_ntop(AF_INET, &address, text, sizeof text);
    ::ares_gethostbyaddr(self.owner->channel_, &address, sizeof address, AF_INET, on_name, &self);
  }

  // So has the second.
  static void on_name(void* context, int status, int, hostent* found) {
    auto& self = *static_cast<lookup*>(context);
    const char* const back = status == ARES_SUCCESS ? found->h_name : ::ares_strerror(status);
    self.owner->finish(self, fmt::format("{} {} {}", self.name, self.address, back));
  }

  void finish(lookup& self, std::string line) {
    self.line = std::move(line);
    --under_way_;
    start_more();
  }

  void wait_and_process() {
    ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
    const auto wanted = static_cast<unsigned>(::ares_getsock(channel_, sockets, ARES_GETSOCK_MAXNUM));
    std::vector<pollfd> subjects;
    for (unsigned i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
      const bool read = ARES_GETSOCK_READABLE(wanted, i) != 0;
      const bool write = ARES_GETSOCK_WRITABLE(wanted, i) != 0;
      if (read || write) {
        subjects.push_back({sockets[i], static_cast<short>((read ? POLLIN : 0) | (write ? POLLOUT : 0)), 0});
      }
    }
    timeval limit{};
    const bool limited = ::ares_timeout(channel_, nullptr, &limit) != nullptr;
    ::poll(subjects.data(), subjects.size(),
           limited ? static_cast<int>(limit.tv_sec * 1000 + limit.tv_usec / 1000 + 1) : -1);
    for (const pollfd& each : subjects) {
      const bool failed = (each.revents & (POLLERR | POLLHUP)) != 0;
      ::ares_process_fd(channel_, failed || (each.revents & POLLIN) != 0 ? each.fd : ARES_SOCKET_BAD,
                        failed || (each.revents & POLLOUT) != 0 ? each.fd : ARES_SOCKET_BAD);
    }
    ::ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // what has waited for too long
  }

  ares_channel channel_;
  std::vector<lookup> lookups_;
  std::size_t next_ = 0;
  int under_way_ = 0;
  bool starting_ = false;
};

void check(int status, const char* what) {
  if (status != ARES_SUCCESS) {
    throw std::runtime_error(fmt::format("{}: {}", what, ::ares_strerror(status)));
  }
}

// One server, no search domains, no /etc/hosts.
ares_channel make_channel(const std::string& port) {
  ares_options options{};
  options.flags = ARES_FLAG_NOSEARCH;
  char lookups[] = "b";
  options.lookups = lookups;
  ares_channel channel = nullptr;
  check(::ares_init_options(&channel, &options, ARES_OPT_FLAGS | ARES_OPT_LOOKUPS), "ares_init_options");
  check(::ares_set_servers_ports_csv(channel, ("127.0.0.1:" + port).c_str()), "ares_set_servers_ports_csv");
  return channel;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 2) {
      throw std::invalid_argument("usage: ares_callbacks PORT NAME...");
    }
    check(::ares_library_init(ARES_LIB_INIT_ALL), "ares_library_init");
    const ares_channel channel = make_channel(argv[1]);
    job(channel, {argv + 2, argv + argc}).run();
    ::ares_destroy(channel);
    ::ares_library_cleanup();
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
