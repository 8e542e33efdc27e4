// ares_channels: the job of ares_callbacks with tasks: what belongs to one name is one function.
//
//   ares_channels PORT NAME...      asks the DNS server at 127.0.0.1:PORT
//
// Teaches: how an event-driven library becomes blocking calls for tasks. One task, the driver, owns the library: it
// waits for the library's sockets and timers and for questions, in one csp::select, and is the only one that calls it,
// so nothing is locked. A question carries a csp::callback, which travels through the library as its void*; the task
// that asked waits on the csp::one_shot. docs/porting-callbacks.md tells how one gets here.

#include <libcsp/csp.h>

#include <ares.h>
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr int most_at_once = 8;

void check(int status, const char* what) {
  if (status != ARES_SUCCESS) {
    throw std::runtime_error(fmt::format("{}: {}", what, ::ares_strerror(status)));
  }
}

// What c-ares found out about a host.
struct answer {
  int status = ARES_EDESTRUCTION;
  std::string name{};
  in_addr address{};
};

struct question {
  std::string name;  // empty: the name of the address is asked for
  in_addr address;
  csp::callback<answer> done;
};

// The bridge: c-ares calls this once for each question, whatever happens. No exception may leave it.
void on_host(void* context, int status, int, hostent* found) noexcept {
  const auto done = csp::callback<answer>::adopt(context);
  answer result{.status = status};
  if (status == ARES_SUCCESS) {
    result.name = found->h_name;
    std::copy_n(found->h_addr_list[0], sizeof result.address, reinterpret_cast<char*>(&result.address));
  }
  static_cast<void>(done(std::move(result)));  // who asked may have gone; nothing depends on it
}

// c-ares and its sockets. For one task.
class driver {
 public:
  // One server, no search domains, no /etc/hosts.
  explicit driver(const std::string& port) {
    ares_options options{};
    options.flags = ARES_FLAG_NOSEARCH;
    char lookups[] = "b";
    options.lookups = lookups;
    check(::ares_init_options(&channel_, &options, ARES_OPT_FLAGS | ARES_OPT_LOOKUPS), "ares_init_options");
    check(::ares_set_servers_ports_csv(channel_, ("127.0.0.1:" + port).c_str()), "ares_set_servers_ports_csv");
  }
  ~driver() { ::ares_destroy(channel_); }  // calls back for all that is left
  driver(const driver&) = delete;
  driver& operator=(const driver&) = delete;

  // Until the channel of questions is closed.
  void run(csp::receiver<question> questions) {
    for (bool open = true; open;) {
      csp::select_list arms;
      arms.add(csp::on_recv(questions, [&](std::optional<question> next) {
        open = next.has_value();
        if (open) {
          ask(*next);
        }
      }));
      add_sockets(arms);
      timeval limit{};
      if (::ares_timeout(channel_, nullptr, &limit) != nullptr) {
        const auto length = std::chrono::seconds(limit.tv_sec) + std::chrono::microseconds(limit.tv_usec);
        arms.add(csp::on_timeout(length, [&] { ::ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD); }));
      }
      arms.run();
    }
  }

 private:
  void ask(question& what) {
    if (what.name.empty()) {
      ::ares_gethostbyaddr(channel_, &what.address, sizeof what.address, AF_INET, on_host, what.done.release());
    } else {
      ::ares_gethostbyname(channel_, what.name.c_str(), AF_INET, on_host, what.done.release());
    }
  }

  void add_sockets(csp::select_list& arms) {
    ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
    const auto wanted = static_cast<unsigned>(::ares_getsock(channel_, sockets, ARES_GETSOCK_MAXNUM));
    for (unsigned i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
      const ares_socket_t fd = sockets[i];
      if (ARES_GETSOCK_READABLE(wanted, i)) {
        arms.add(csp::on_readable(fd, [this, fd] { ::ares_process_fd(channel_, fd, ARES_SOCKET_BAD); }));
      }
      if (ARES_GETSOCK_WRITABLE(wanted, i)) {
        arms.add(csp::on_writable(fd, [this, fd] { ::ares_process_fd(channel_, ARES_SOCKET_BAD, fd); }));
      }
    }
  }

  ares_channel channel_ = nullptr;
};

// Blocking calls for any task.
class resolver {
 public:
  explicit resolver(csp::sender<question> questions) : questions_(std::move(questions)) {}

  answer address_of(const std::string& name) const { return ask(name, {}); }
  answer name_of(in_addr address) const { return ask("", address); }

 private:
  answer ask(const std::string& name, in_addr address) const {
    const csp::one_shot<answer> reply;
    questions_.send({name, address, reply.callback()});
    return reply.wait().value_or(answer());
  }

  csp::sender<question> questions_;
};

// All that there is to do for one name, from top to bottom.
std::string look_up(const resolver& names, const std::string& name) {
  const answer found = names.address_of(name);
  if (found.status != ARES_SUCCESS) {
    return fmt::format("{}: {}", name, ::ares_strerror(found.status));
  }
  const answer back = names.name_of(found.address);
  char text[INET_ADDRSTRLEN];
  return fmt::format("{} {} {}", name, ::inet_ntop(AF_INET, &found.address, text, sizeof text),
                     back.status == ARES_SUCCESS ? back.name.c_str() : ::ares_strerror(back.status));
}

// The driver's task. Should it fail, who asks is told, not left waiting.
csp::join_handle<void> start(std::shared_ptr<driver> library, csp::chan<question> questions) {
  return csp::spawn({.name = "c-ares"}, [=] {
    try {
      library->run(questions);
    } catch (...) {
      questions.close();
      throw;
    }
  });
}

void run(const std::string& port, const std::vector<std::string>& names) {
  const csp::chan<question> questions;
  csp::join_handle<void> driving = start(std::make_shared<driver>(port), questions);
  const resolver with(questions);
  const csp::chan<void> slots(most_at_once);  // a full one makes the loop wait
  std::vector<csp::join_handle<std::string>> lines;
  for (const std::string& name : names) {
    slots.send();
    lines.push_back(csp::spawn([=] {
      std::string line = look_up(with, name);
      slots.recv();
      return line;
    }));
  }
  for (csp::join_handle<std::string>& line : lines) {
    fmt::print("{}\n", line.join());
  }
  questions.close();
  driving.join();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 2) {
      throw std::invalid_argument("usage: ares_channels PORT NAME...");
    }
    check(::ares_library_init(ARES_LIB_INIT_ALL), "ares_library_init");
    csp::run([&] { run(argv[1], {argv + 2, argv + argc}); });
    ::ares_library_cleanup();
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
